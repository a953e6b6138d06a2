"""What staff type about APIs and their secrets. Services check it again."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms

from keys import limits
from keys.forms.fields import valid
from keys.limits import MAX_SCOPE_CHARS, RateLimit
from keys.models import Api, Environment, RevokeReason, SigningAlgorithm
from keys.services.apis import MAX_DESCRIPTION_CHARS, MAX_IDENTIFIER_CHARS, ApiSettings, ScopeSettings
from portal.names import MAX_NAME_CHARS, clean_name

OVERLAPS = {
    "0": "No overlap: it ends now",
    "3600": "1 hour",
    "86400": "1 day",
    "604800": "7 days",
    "2592000": "30 days",
}
SPARE_SCOPES = 3


class ReasonForm(forms.Form):
    """Why something is revoked."""

    reason = forms.TypedChoiceField(choices=RevokeReason.choices, coerce=RevokeReason, widget=forms.RadioSelect)


class OnceForm(forms.Form):
    """A form that makes a secret: sent twice, it makes one."""

    submission = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)


class IssueForm(OnceForm):
    """A new API secret."""

    name = forms.CharField(max_length=MAX_NAME_CHARS, help_text="Who will present it, such as “orders backend”.")
    environment = forms.TypedChoiceField(
        choices=Environment.choices,
        coerce=Environment,
        widget=forms.RadioSelect,
        help_text="It can ask about credentials of this environment alone.",
    )

    def clean_name(self) -> str:
        """The name as it will be stored."""
        return valid(clean_name, self.cleaned_data["name"])


class RollForm(OnceForm):
    """How long the old secret goes on."""

    overlap = forms.TypedChoiceField(
        label="The old secret goes on for",
        choices=list(OVERLAPS.items()),
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial="86400",
        widget=forms.RadioSelect,
    )


class ApiForm(forms.Form):
    """An API's own settings; ``identifier`` is there only when it is made."""

    name = forms.CharField(max_length=MAX_NAME_CHARS)
    identifier = forms.CharField(
        max_length=MAX_IDENTIFIER_CHARS,
        help_text="An absolute URI such as https://api.example.com: the audience of its tokens. It never changes.",
    )
    description = forms.CharField(
        max_length=MAX_DESCRIPTION_CHARS,
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="Consumers read it.",
    )
    default_rate_limits = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="For keys without limits of their own. One a line, requests/seconds: 100/60, or daily=10000/86400.",
    )
    max_rate_limits = forms.CharField(
        label="Rate limit ceiling",
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="For each key or client, whatever limits of its own it has: the tightest limit wins. Written alike.",
    )
    signing_algorithm = forms.TypedChoiceField(
        choices=SigningAlgorithm.choices,
        coerce=SigningAlgorithm,
        initial=SigningAlgorithm.ES256,
        help_text="What signs its access tokens. Backends that verify tokens themselves have to know it.",
    )
    token_lifetime_s = forms.IntegerField(
        label="Token lifetime in seconds",
        initial=limits.DEFAULT_TOKEN_LIFETIME_S,
        min_value=limits.MIN_TOKEN_LIFETIME_S,
        max_value=limits.MAX_TOKEN_LIFETIME_S,
        help_text="Of access tokens, unless their client has a lifetime of its own.",
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, api: Api | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["identifier" if api else "seen_version"]

    def clean_default_rate_limits(self) -> list[RateLimit]:
        """The limits, one from each line."""
        return valid(limits.parse_rate_limits, self.cleaned_data["default_rate_limits"])

    def clean_max_rate_limits(self) -> list[RateLimit]:
        """The limits, one from each line."""
        return valid(limits.parse_rate_limits, self.cleaned_data["max_rate_limits"])


class ScopeForm(forms.Form):
    """One scope."""

    name = forms.CharField(max_length=MAX_SCOPE_CHARS)
    description = forms.CharField(max_length=200, required=False)
    is_sensitive = forms.BooleanField(required=False, label="Sensitive")

    def clean_name(self) -> str:
        """The name, if it is of the grammar."""
        name: str = self.cleaned_data["name"]
        if not limits.is_scope(name):
            raise forms.ValidationError("Use printable ASCII without spaces, quotes or backslashes: orders:read.")
        return name

    def clean_description(self) -> str:
        """The description, by the rules of a note."""
        return valid(limits.clean_note, self.cleaned_data["description"])


class BaseScopeFormSet(forms.BaseFormSet):  # type: ignore[type-arg]  # generic in the stubs alone
    """All scopes of an API."""

    def clean(self) -> None:
        """Raise ValidationError where two rows name one scope: the second would silently win."""
        names = [row.cleaned_data.get("name") for row in self.forms if not row.cleaned_data.get("DELETE")]
        if any(name and names.count(name) > 1 for name in names):
            raise forms.ValidationError("Two rows name the same scope.")


ScopeFormSet = forms.formset_factory(
    ScopeForm,
    formset=BaseScopeFormSet,
    extra=SPARE_SCOPES,
    can_delete=True,
    max_num=limits.MAX_SCOPES,
    validate_max=True,
    absolute_max=limits.MAX_SCOPES + 1,  # one too many is told; whoever asks for a thousand rows gets none of them
)


def initial_of(api: Api) -> dict[str, object]:
    """What the form shows of an API as it is."""
    return {
        "name": api.name,
        "description": api.description,
        "default_rate_limits": "\n".join(map(limits.spell_rate_limit, api.default_rate_limits)),
        "max_rate_limits": "\n".join(map(limits.spell_rate_limit, api.max_rate_limits)),
        "signing_algorithm": api.signing_algorithm,
        "token_lifetime_s": api.token_lifetime_s,
        "seen_version": api.version,
    }


def initial_scopes_of(api: Api) -> list[dict[str, object]]:
    """What the rows of scopes show of an API as it is."""
    return [dict(scope) for scope in api.scopes.values("name", "description", "is_sensitive")]


def settings_of(form: ApiForm, scopes: "forms.BaseFormSet[ScopeForm]") -> ApiSettings:
    """What was typed, for the service."""
    typed = [row.cleaned_data for row in scopes]
    kept = [row for row in typed if row.get("name") and not row["DELETE"]]
    return ApiSettings(
        name=form.cleaned_data["name"],
        scopes={row["name"]: ScopeSettings(row["description"], row["is_sensitive"]) for row in kept},
        description=form.cleaned_data["description"],
        default_rate_limits=form.cleaned_data["default_rate_limits"],
        max_rate_limits=form.cleaned_data["max_rate_limits"],
        signing_algorithm=form.cleaned_data["signing_algorithm"],
        token_lifetime_s=form.cleaned_data["token_lifetime_s"],
    )
