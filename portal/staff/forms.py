"""Forms in which staff edit organizations and credentials. Services validate the values again."""

from typing import Any

from django import forms

from portal.fields import Field
from portal.metadata import MAX_EXTERNAL_ID_CHARS, clean_external_id, metadata_rows, parse_metadata_rows
from portal.models import Organization
from portal.templatetags.ui_forms import required_words
from portal.ui.row_fields import MetadataField


class PlainForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A stock form with the portal's labels, which end without a colon, and its sentence for an empty field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        for bound in self:
            bound.field.error_messages["required"] = required_words(bound)


class OperatorMetadataForm(forms.Form):
    """Edit the operator's metadata."""

    metadata = MetadataField(
        Field("Operator metadata", parse=parse_metadata_rows, spell=metadata_rows),
        help_text="Such as plan is gold. No secrets: the organization can read it.",
    )


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
        "metadata": organization.operator_metadata,
    }
