"""The fields that the forms of keys and of OAuth clients share."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from django import forms

from keys.models import Credential, Environment
from keys.pages.forms.fields import choose, valid
from keys.rules import field_rules
from portal.metadata import MAX_METADATA_CHARS, parse_metadata, spell_metadata
from portal.models import ServiceAccount
from portal.names import MAX_NAME_CHARS

MAX_LIST_CHARS = 20_000


def lines_of(rows: int, placeholder: str) -> forms.Textarea:
    """Return a text area of so many rows."""
    return forms.Textarea(attrs={"rows": rows, "placeholder": placeholder, "spellcheck": "false"})


class CredentialForm(forms.Form):
    """The settings that keys and OAuth clients share."""

    # The order of both pages' fields: errors are listed in this order.
    field_order = (
        "name", "owner", "environment", "template", "lifetime", "expires_on", "public_keys", "token_lifetime_s",
        "networks", "rate_limits", "quota", "not_before", "metadata", "note",
    )  # fmt: skip
    restrictions: ClassVar[tuple[str, ...]] = ("networks", "rate_limits", "metadata", "note")

    name = forms.CharField(label="Name", max_length=MAX_NAME_CHARS)
    networks = forms.CharField(
        label="Allowed addresses",
        required=False,
        max_length=MAX_LIST_CHARS,
        widget=lines_of(3, "203.0.113.0/24 # office"),
        help_text="One IPv4 or IPv6 address or network a line; # starts a note. Empty: any address.",
    )
    rate_limits = forms.CharField(
        label="Rate limits",
        required=False,
        max_length=1000,
        widget=lines_of(2, "100/60"),
        help_text="Requests per seconds, one a line: 100/60, or daily=10000/86400. Empty: those of the API.",
    )
    metadata = forms.CharField(
        label="Metadata",
        required=False,
        max_length=MAX_METADATA_CHARS,
        widget=lines_of(3, '{"team": "billing"}'),
        help_text="A JSON object that backends are told with each answer, as your own words.",
    )
    note = forms.CharField(
        label="Where will it be stored?",
        required=False,
        max_length=field_rules.MAX_NOTE_CHARS,
        help_text="For whoever rolls it next, such as: Vault, path billing/worker. Never the key itself.",
    )

    @property
    def has_restrictions(self) -> bool:
        """Tell whether a folded-away field has a value or an error."""
        return any(self[name].value() or name in self.errors for name in self.restrictions if name in self.fields)

    def clean_networks(self) -> list[str]:
        return valid(field_rules.clean_networks, self.cleaned_data["networks"].splitlines())

    def clean_rate_limits(self) -> list[field_rules.RateLimit]:
        return valid(field_rules.parse_rate_limits, self.cleaned_data["rate_limits"])

    def clean_metadata(self) -> dict[str, object]:
        return valid(parse_metadata, self.cleaned_data["metadata"])

    def clean_note(self) -> str:
        return valid(field_rules.clean_note, self.cleaned_data["note"])


class NewCredentialForm(forms.Form):
    """The fields for a new credential only; the owner is asked if there is a choice.

    ``submission`` detects a repeated POST.
    """

    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    owner = forms.ChoiceField(label="Owner", required=False, help_text="What a service account owns outlives people.")
    environment = forms.ChoiceField(
        label="Environment", widget=forms.RadioSelect, choices=[("live", "Live"), ("test", "Test")], initial="live"
    )

    def __init__(self, *args: Any, accounts: Sequence[ServiceAccount] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._accounts = {account.public_id: account for account in accounts}
        if self._accounts:
            choose(self, "owner", [("", "Me"), *((account.public_id, account.name) for account in accounts)])
        else:
            del self.fields["owner"]

    def wanted_owner(self) -> ServiceAccount | None:
        """Return the chosen service account; None if the person is to own it."""
        return self._accounts.get(self.cleaned_data.get("owner", ""))

    def wanted_environment(self) -> Environment:
        return Environment(self.cleaned_data["environment"])


def initial_of(credential: Credential) -> dict[str, object]:
    """Return the form's initial values for an existing credential."""
    return {
        "name": credential.name,
        "networks": "\n".join(credential.networks),
        "rate_limits": "\n".join(map(field_rules.spell_rate_limit, credential.rate_limits)),
        "metadata": spell_metadata(credential.metadata),
        "note": credential.note,
        "version": credential.version,
    }


def texts_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the submitted fields that have a single text value."""
    return {name: value for name in data if isinstance(value := data.get(name), str)}
