"""Forms for the name of a person or an organization."""

from django import forms

from keys.pages.forms.fields import valid
from portal.names import MAX_NAME_CHARS, clean_name


class NameForm(forms.Form):
    """A name, by the rules that all names follow."""

    name = forms.CharField(label="Name", max_length=MAX_NAME_CHARS)

    def clean_name(self) -> str:
        return valid(clean_name, self.cleaned_data["name"])


class OrganizationNameForm(NameForm):
    """The name of an organization."""

    name = forms.CharField(label="Organization name", max_length=MAX_NAME_CHARS)
