"""The look's building blocks for templates."""

from django import template

register = template.Library()
