"""The shell's forms."""

from django import forms

from portal.context import THEMES


class ThemeForm(forms.Form):
    """The choice between light and dark."""

    theme = forms.ChoiceField(choices=[(theme, theme.title()) for theme in THEMES])
    next = forms.CharField(required=False)


class OrganizationForm(forms.Form):
    """The choice of the organization to work in."""

    organization = forms.CharField()
    next = forms.CharField(required=False)
