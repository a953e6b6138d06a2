"""Forms in which staff edit organizations and credentials. Services validate the values again."""

from django import forms

from portal.metadata import (
    MAX_EXTERNAL_ID_CHARS,
    MAX_METADATA_CHARS,
    clean_external_id,
    parse_metadata,
    spell_metadata,
)
from portal.models import Organization


class OperatorMetadataForm(forms.Form):
    """Edit the operator's metadata, as JSON."""

    metadata = forms.CharField(
        label="Operator metadata",
        required=False,
        max_length=MAX_METADATA_CHARS,
        widget=forms.Textarea({"rows": 6, "spellcheck": "false"}),
        help_text='A JSON object, such as {"plan": "gold"}. No secrets: the organization can read it.',
    )

    def clean_metadata(self) -> dict[str, object]:
        """Return the parsed JSON object."""
        try:
            return parse_metadata(self.cleaned_data["metadata"])
        except ValueError as exc:
            raise forms.ValidationError(str(exc)) from None


class OrganizationNotesForm(OperatorMetadataForm):
    """Edit the operator's id and metadata for an organization."""

    field_order = ("external_id", "metadata")

    external_id = forms.CharField(
        label="External id",
        required=False,
        max_length=MAX_EXTERNAL_ID_CHARS,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="The organization's id in your other systems, such as a customer number. It must be unique.",
    )

    def clean_external_id(self) -> str:
        """Return the id as it is stored; empty if there is none."""
        try:
            return clean_external_id(self.cleaned_data["external_id"]) or ""
        except ValueError as exc:
            raise forms.ValidationError(str(exc)) from None


def notes_of(organization: Organization) -> dict[str, object]:
    """Return the form's initial values for an organization."""
    return {
        "external_id": organization.external_id or "",
        "metadata": spell_metadata(organization.operator_metadata),
    }
