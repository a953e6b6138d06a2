"""What a person or an organization is called."""

from django import forms

from keys.pages.forms.fields import valid
from portal.names import MAX_NAME_CHARS, clean_name


class NameForm(forms.Form):
    """A name, by the rules of every name."""

    name = forms.CharField(label="Name", max_length=MAX_NAME_CHARS)

    def clean_name(self) -> str:
        """In one normal form."""
        return valid(clean_name, self.cleaned_data["name"])


class OrganizationNameForm(NameForm):
    """What the organization is called."""

    name = forms.CharField(label="Organization name", max_length=MAX_NAME_CHARS)
