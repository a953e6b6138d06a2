"""Forms of the admin for APIs and their secrets. Services check the values again."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms

from keys.models import Api, Environment, RevokeReason, SigningAlgorithm
from keys.pages.forms.fields import valid
from keys.rules import field_rules
from keys.rules.field_rules import RateLimit
from keys.rules.scope_choice import ScopeInfo, parse_scopes, spell_scope
from keys.services.apis import MAX_DESCRIPTION_CHARS, MAX_IDENTIFIER_CHARS, ApiSettings, ScopeSettings
from portal.names import MAX_NAME_CHARS, clean_name

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
    default_rate_limits = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="For keys and clients without limits of their own. One per line, as requests/seconds: 100/60, or"
        " daily=10000/86400.",
    )
    max_rate_limits = forms.CharField(
        label="Rate limit ceiling",
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="For every key and client, in addition to its own limits. The strictest limit applies. Same format.",
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
    scopes = forms.CharField(
        required=False,
        max_length=MAX_SCOPES_CHARS,
        widget=forms.Textarea({"rows": 12, "spellcheck": "false", "class": "vLargeTextField scope-lines"}),
        help_text="One per line, with a description for consumers: orders:write Change orders. End the line with"
        " [sensitive] to warn people. If you remove a scope, every credential loses it at its next call.",
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, api: Api | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["identifier" if api else "seen_version"]

    def clean_default_rate_limits(self) -> list[RateLimit]:
        return valid(field_rules.parse_rate_limits, self.cleaned_data["default_rate_limits"])

    def clean_max_rate_limits(self) -> list[RateLimit]:
        return valid(field_rules.parse_rate_limits, self.cleaned_data["max_rate_limits"])

    def clean_scopes(self) -> list[ScopeInfo]:
        return valid(parse_scopes, self.cleaned_data["scopes"])


def initial_of(api: Api) -> dict[str, object]:
    """Return the form's initial values for an existing API."""
    return {
        "name": api.name,
        "description": api.description,
        "default_rate_limits": "\n".join(map(field_rules.spell_rate_limit, api.default_rate_limits)),
        "max_rate_limits": "\n".join(map(field_rules.spell_rate_limit, api.max_rate_limits)),
        "signing_algorithm": api.signing_algorithm,
        "token_lifetime_s": api.token_lifetime_s,
        "scopes": "\n".join(
            spell_scope(ScopeInfo(scope.name, scope.description, scope.is_sensitive)) for scope in api.scopes.all()
        ),
        "seen_version": api.version,
    }


def settings_of(form: ApiForm) -> ApiSettings:
    """Convert the form's values for the service."""
    typed = form.cleaned_data
    return ApiSettings(
        name=typed["name"],
        scopes={scope.name: ScopeSettings(scope.description, scope.is_sensitive) for scope in typed["scopes"]},
        description=typed["description"],
        default_rate_limits=typed["default_rate_limits"],
        max_rate_limits=typed["max_rate_limits"],
        signing_algorithm=typed["signing_algorithm"],
        token_lifetime_s=typed["token_lifetime_s"],
    )
