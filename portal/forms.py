"""Forms of the frame around every page."""

from django import forms

from portal.context import THEMES


class ThemeForm(forms.Form):
    """Choose between the light, the dark and the system's theme."""

    theme = forms.ChoiceField(choices=[(theme, theme.title()) for theme in THEMES])
    next = forms.CharField(required=False)


class OrganizationForm(forms.Form):
    """Choose the organization to work in."""

    organization = forms.CharField()
    next = forms.CharField(required=False)
