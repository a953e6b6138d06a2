"""Addresses of the pages about keys."""

from django.urls import URLPattern

app_name = "keys"
urlpatterns: list[URLPattern] = []
