"""Forms of the admin for APIs and their secrets. Services check the values again."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError

from keys.admin.scope_removal import ScopeRemovalField
from keys.models import Api, Environment, RevokeReason, SigningAlgorithm
from keys.pages.forms.fields import valid
from keys.pages.forms.limit_fields import RateLimitsField
from keys.rules import field_rules
from keys.rules.limit_rows import parse_rate_limit_rows, rate_limit_rows
from keys.rules.scope_choice import ScopeInfo
from keys.rules.scope_rows import SENSITIVE, parse_scope_lines, parse_scope_rows, scope_rows
from keys.services.apis import MAX_DESCRIPTION_CHARS, MAX_IDENTIFIER_CHARS, ApiSettings, ScopeSettings, check_identifier
from keys.services.errors import Invalid
from portal.fields import Field
from portal.names import MAX_NAME_CHARS, clean_name
from portal.ui.row_fields import Column, OpenSelect, RowsField, RowsInput

OVERLAPS = {
    "0": "No overlap: it ends now",
    "3600": "1 hour",
    "86400": "1 day",
    "604800": "7 days",
    "2592000": "30 days",
}
MAX_SCOPES_CHARS = 200_000


class ReasonForm(forms.Form):
    """The reason of a revocation."""

    reason = forms.TypedChoiceField(choices=RevokeReason.choices, coerce=RevokeReason, widget=forms.RadioSelect)


class OnceForm(forms.Form):
    """A form that creates a secret; a second submission creates nothing."""

    submission = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)


class IssueForm(OnceForm):
    """A new API secret."""

    name = forms.CharField(
        max_length=MAX_NAME_CHARS, help_text="The backend that will use it, such as “orders backend”."
    )
    environment = forms.TypedChoiceField(
        choices=Environment.choices,
        coerce=Environment,
        initial=Environment.LIVE,
        widget=forms.RadioSelect,
        help_text="It can validate credentials of this environment only.",
    )

    def clean_name(self) -> str:
        return valid(clean_name, self.cleaned_data["name"])


class StaffRollForm(OnceForm):
    """How long the old secret goes on."""

    overlap = forms.TypedChoiceField(
        label="The old secret keeps working for",
        choices=list(OVERLAPS.items()),
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial="86400",
        widget=forms.RadioSelect,
    )


class ScopeRowsField(RowsField):
    """The scopes of an API: for each a name, a description, and whether it is sensitive."""

    def __init__(self, **kwargs: Any) -> None:
        plain = {"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        columns = [
            Column("name", "Name of scope", forms.TextInput({"placeholder": "orders:read", **plain})),
            Column("description", "Description of scope", forms.TextInput({"placeholder": "Read orders"})),
            Column("mark", "Sensitivity of scope", OpenSelect([("", "Not sensitive"), (SENSITIVE, "Sensitive")], str)),
        ]
        rows = RowsInput(columns, shown=5, most=field_rules.MAX_SCOPES, add="Add a scope")
        super().__init__(Field("Scopes", parse=parse_scope_rows, spell=scope_rows), widget=rows, **kwargs)


def _rate_limits(label: str) -> Field:
    return Field(label, parse=parse_rate_limit_rows, spell=rate_limit_rows)


class ApiForm(forms.Form):
    """An API's settings; ``identifier`` is asked only at its creation."""

    name = forms.CharField(max_length=MAX_NAME_CHARS)
    identifier = forms.CharField(
        max_length=MAX_IDENTIFIER_CHARS,
        help_text="An absolute URI, such as https://api.example.com. It is the audience of the API's access tokens and"
        " cannot be changed later.",
    )
    description = forms.CharField(
        max_length=MAX_DESCRIPTION_CHARS,
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="Shown to consumers.",
    )
    default_rate_limits = RateLimitsField(
        _rate_limits("Default rate limits"), help_text="For keys and clients without limits of their own."
    )
    max_rate_limits = RateLimitsField(
        _rate_limits("Rate limit ceiling"),
        help_text="For every key and client, in addition to its own limits. The strictest limit applies.",
    )
    signing_algorithm = forms.TypedChoiceField(
        choices=SigningAlgorithm.choices,
        coerce=SigningAlgorithm,
        initial=SigningAlgorithm.ES256,
        help_text="Signs the API's access tokens. Backends that verify tokens themselves must support it.",
    )
    token_lifetime_s = forms.IntegerField(
        label="Token lifetime in seconds",
        initial=field_rules.DEFAULT_TOKEN_LIFETIME_S,
        min_value=field_rules.MIN_TOKEN_LIFETIME_S,
        max_value=field_rules.MAX_TOKEN_LIFETIME_S,
        help_text="For access tokens of clients that set no lifetime of their own.",
    )
    scopes = ScopeRowsField(
        help_text="Descriptions are shown to consumers, and people are warned of sensitive scopes. If you empty a row,"
        " every credential loses that scope at its next call."
    )
    more_scopes = forms.CharField(
        label="Add many scopes",
        required=False,
        max_length=MAX_SCOPES_CHARS,
        widget=forms.Textarea({"rows": 4, "spellcheck": "false", "class": "scope-lines"}),
        help_text="One a line, with a description: orders:write, Change orders. A line may end with [sensitive].",
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, api: Api | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.api = api
        self.removed: list[str] = []
        del self.fields["identifier" if api else "seen_version"]

    def clean_name(self) -> str:
        return valid(clean_name, self.cleaned_data["name"])

    def clean_identifier(self) -> str:
        """Check the identifier here already, so that its error is shown beside those of other fields."""
        identifier: str = self.cleaned_data["identifier"]
        try:
            check_identifier(identifier)
        except Invalid as exc:
            raise ValidationError(str(exc)) from exc
        return identifier

    def clean_more_scopes(self) -> list[ScopeInfo]:
        """Return the pasted scopes."""
        return valid(parse_scope_lines, self.cleaned_data["more_scopes"])

    def clean(self) -> None:
        """Refuse a pasted scope that a row names, too, and the removal of scopes without a tick for it."""
        named = {scope.name for scope in self.cleaned_data.get("scopes", ())}
        for scope in self.cleaned_data.get("more_scopes", ()):
            if scope.name in named:
                self.add_error("more_scopes", f"{scope.name} is in a row above already.")
        if self.api and {"scopes", "more_scopes"} <= self.cleaned_data.keys():
            named |= {scope.name for scope in self.cleaned_data["more_scopes"]}
            self._confirm_removal(self.api, [scope.name for scope in self.initial["scopes"] if scope.name not in named])

    def _confirm_removal(self, api: Api, removed: list[str]) -> None:
        if not removed or self.cleaned_data.get("seen_version") != api.version:
            return  # the service refuses the edit of another version
        self.removed = removed
        self.fields["removal"] = removal = ScopeRemovalField(api, removed)
        if not self["removal"].data:
            self.add_error("removal", removal.error_messages["required"])


def initial_of(api: Api) -> dict[str, object]:
    """Return the form's initial values for an existing API."""
    return {
        "name": api.name,
        "description": api.description,
        "default_rate_limits": api.default_rate_limits,
        "max_rate_limits": api.max_rate_limits,
        "signing_algorithm": api.signing_algorithm,
        "token_lifetime_s": api.token_lifetime_s,
        "scopes": [ScopeInfo(scope.name, scope.description, scope.is_sensitive) for scope in api.scopes.all()],
        "seen_version": api.version,
    }


def settings_of(form: ApiForm) -> ApiSettings:
    """Convert the form's values for the service."""
    typed = form.cleaned_data
    scopes = [*typed["scopes"], *typed["more_scopes"]]
    return ApiSettings(
        name=typed["name"],
        scopes={scope.name: ScopeSettings(scope.description, scope.is_sensitive) for scope in scopes},
        description=typed["description"],
        default_rate_limits=typed["default_rate_limits"],
        max_rate_limits=typed["max_rate_limits"],
        signing_algorithm=typed["signing_algorithm"],
        token_lifetime_s=typed["token_lifetime_s"],
    )
