"""The fields that the forms of keys and of OAuth clients share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.utils.html import format_html

from keys.models import Credential, Environment
from keys.pages.forms.fields import BarringRadios, TypedField, asked_as, bar, choose
from keys.pages.forms.form_policy import FormPolicy
from keys.pages.forms.limit_fields import RateLimitsField
from keys.rules.field_rules import MAX_NOTE_CHARS
from keys.rules.key_fields import METADATA, NETWORKS, NOTE, RATE_LIMITS
from portal.models import ServiceAccount
from portal.names import MAX_NAME_CHARS
from portal.ui.row_fields import MetadataField, sent_names

MAX_LIST_CHARS = 20_000
NETWORKS_HELP = "One IPv4 or IPv6 address or network per line; # starts a note."
# The order of the fields before the folded ones. Errors are listed in the same order.
SHOWN_FIRST = ("name", "owner", "environment", "template", "scopes", "lifetime", "expires_on")


def lines_of(rows: int, placeholder: str) -> forms.Textarea:
    """Return a text area of so many rows, in a fixed-width font."""
    return forms.Textarea({"rows": rows, "placeholder": placeholder, "spellcheck": "false", "class": "input--mono"})


class CredentialForm(forms.Form):
    """The settings that keys and OAuth clients share."""

    folded: ClassVar[tuple[str, ...]]  # the names of the fields that the page folds away, in its order

    name = forms.CharField(label="Name", max_length=MAX_NAME_CHARS)
    networks = TypedField(
        NETWORKS,
        max_length=MAX_LIST_CHARS,
        widget=lines_of(3, "203.0.113.0/24 # office"),
        help_text=f"{NETWORKS_HELP} Leave empty for any address.",
    )
    rate_limits = RateLimitsField(RATE_LIMITS, help_text="Leave empty to use the API's limits.")
    metadata = MetadataField(METADATA, help_text="Your own data, sent to backends with each answer.")
    note = TypedField(
        NOTE,
        label="Where will it be stored?",
        max_length=MAX_NOTE_CHARS,
        help_text="For the next person who rolls it, for example: Vault, path billing/worker. Never the key itself.",
    )

    def __init__(self, *args: Any, policy: FormPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        self.demanded: list[str] = []  # the folded fields that a policy demands

    def demand_networks(self, *, is_live: bool) -> None:
        """Ask for allowed addresses if a policy does."""
        violation = self.policy.broken({}, is_live=is_live).get("networks")
        if violation:
            self.demanded = ["networks"]
            self.fields["networks"].help_text = format_html("{} {}", NETWORKS_HELP, self.policy.hint(violation))

    def hold_policies(self, changed: Mapping[str, Any], *, is_live: bool) -> None:
        """Add an error for each rule that one of the changed values breaks."""
        for name, violation in self.policy.broken(changed, is_live=is_live).items():
            if name in changed:
                self.add_error(asked_as(name), violation.remedy)

    def field_names(self) -> list[str]:
        """Return the names of all submitted fields; the names of some depend on the API."""
        return [sent for name, field in self.fields.items() for sent in sent_names(name, field)]

    @property
    def folded_fields(self) -> list[forms.BoundField]:
        """Return the fields that the page folds away."""
        return [self[name] for name in self.folded if name in self.fields]

    @property
    def is_unfolded(self) -> bool:
        """Tell whether a folded field has a value or an error, or is demanded."""
        return any(each.value() or each.errors or each.name in self.demanded for each in self.folded_fields)


class NewCredentialForm(CredentialForm):
    """The fields for a new credential only; the owner is asked if there is a choice.

    ``submission`` detects a repeated POST.
    """

    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    owner = forms.ChoiceField(
        label="Owner", required=False, help_text="Keys of a service account keep working when people leave."
    )
    environment = forms.ChoiceField(
        label="Environment", widget=BarringRadios, choices=[("live", "Live"), ("test", "Test")], initial="live"
    )

    environment_hints: ClassVar = {"live": "For real traffic.", "test": "For trying things."}

    def __init__(self, *args: Any, accounts: Sequence[ServiceAccount] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._accounts = {account.public_id: account for account in accounts}
        if self._accounts:
            choose(self, "owner", [("", "Me"), *((account.public_id, account.name) for account in accounts)])
        else:
            del self.fields["owner"]
        barring = self.policy.broken({}, is_live=True).get("environment")
        if barring:
            bar(self, "environment", {Environment.LIVE})
            self.fields["environment"].initial = Environment.TEST
            self.fields["environment"].help_text = self.policy.hint(barring)
        self.demand_networks(is_live=not barring)

    def clean(self) -> dict[str, Any]:
        """Hold all policies at once."""
        cleaned = super().clean() or {}
        self.hold_policies(cleaned, is_live=cleaned.get("environment") == Environment.LIVE)
        return cleaned

    def wanted_owner(self) -> ServiceAccount | None:
        """Return the chosen service account; None if the person is to own it."""
        return self._accounts.get(self.cleaned_data.get("owner", ""))

    def wanted_environment(self) -> Environment:
        return Environment(self.cleaned_data["environment"])


def initial_of(credential: Credential, fields: Iterable[str]) -> dict[str, object]:
    """Return the form's initial values for an existing credential."""
    return {name: getattr(credential, name) for name in (*fields, "version")}


def changed_values(credential: Credential, cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that differ from the credential's."""
    return {name: value for name, value in cleaned.items() if value != getattr(credential, name, value)}
