"""Forms of the client pages: they turn submitted texts into the values that services take."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from keys.models import Api
from keys.pages.forms.credential import SHOWN_FIRST, CredentialForm, NewCredentialForm, initial_of, lines_of, texts_of
from keys.pages.forms.fields import TypedField
from keys.rules import field_rules, scope_choice
from oauth.models import Client
from oauth.protocol.client_fields import CLIENT_FIELDS
from oauth.protocol.token_input import MAX_TOKEN_INPUT_CHARS, jti_in
from oauth.services.clients import ClientSettings

MAX_JWKS_CHARS = 20_000
MAX_SCOPES_DRAWN = 300


@dataclass(frozen=True)
class GrantChoice:
    """An API in the form: whether it is granted, and the picker of its scopes.

    If there are very many scopes, only a chosen API has a picker: each scope is a field, and the number of fields of a
    form is bounded.
    """

    api: Api
    is_granted: bool
    picker: scope_choice.Picker | None

    @property
    def ceiling(self) -> str:
        """The API's ceiling on rates in words; empty without a ceiling."""
        return field_rules.rate_words(self.api.max_rate_limits)


class ClientForm(CredentialForm):
    """Settings and grants of a client. Grants are read from the raw data: the names of their fields depend on APIs."""

    folded = ("public_keys", "token_lifetime_s", "networks", "rate_limits", "metadata", "note")
    field_order = (*SHOWN_FIRST, *folded)
    kept: Collection[str] = ()  # the APIs that may stay granted without scopes

    token_lifetime_s = forms.IntegerField(
        label="Token lifetime",
        required=False,
        min_value=field_rules.MIN_TOKEN_LIFETIME_S,
        max_value=field_rules.MAX_TOKEN_LIFETIME_S,
        help_text="In seconds, 60 to 86,400. Empty: that of each API.",
    )
    public_keys = TypedField(
        CLIENT_FIELDS["public_keys"],
        max_length=MAX_JWKS_CHARS,
        widget=lines_of(4, '{"keys": [{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}]}'),
        help_text="A JWK Set of public keys. With one, the client signs its requests and has no secret to leak.",
    )

    def __init__(self, *args: Any, apis: Sequence[Api], granted: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "rate_limits"
        ].help_text = "With all of its tokens together. Empty: those of each API, at each by itself."
        self.apis = apis
        self._granted = granted

    @property
    def grants(self) -> list[GrantChoice]:
        """The choices of APIs and scopes to draw: those submitted, else those granted."""
        chosen = self.chosen_grants() if self.is_bound else self._granted
        draws_all = sum(len(_scopes(api)) for api in self.apis) <= MAX_SCOPES_DRAWN
        return [
            GrantChoice(
                api,
                api.public_id in chosen,
                scope_choice.picker(_scopes(api), chosen.get(api.public_id, ()), prefix=_prefix(api))
                if draws_all or api.public_id in chosen
                else None,
            )
            for api in self.apis
        ]

    def chosen_grants(self) -> dict[str, list[str]]:
        """The submitted scopes by API."""
        sent = self.data if isinstance(self.data, QueryDict) else QueryDict()
        ticked, levels = sent.getlist("api"), texts_of(sent)
        return {
            api.public_id: scope_choice.chosen_scopes(
                _scopes(api), levels, sent.getlist(f"{_prefix(api)}scope"), prefix=_prefix(api)
            )
            for api in self.apis
            if api.public_id in ticked
        }

    def clean(self) -> dict[str, Any]:
        """Require at least one API, and one scope of each added API: a token without scopes may do nothing."""
        cleaned = super().clean() or {}
        chosen = self.chosen_grants()
        if not chosen:
            self.add_error(None, "Choose at least one API.")
        for api in self.apis:
            if chosen.get(api.public_id) == [] and _scopes(api) and api.public_id not in self.kept:
                self.add_error(None, f"Choose at least one scope of {api.name}.")
        return cleaned

    def settings(self) -> ClientSettings:
        """The settings for the service."""
        return ClientSettings(**{name: self.cleaned_data[name] for name in CLIENT_FIELDS})

    def field_names(self) -> list[str]:
        of_scopes = [
            name
            for choice in self.grants
            if choice.picker
            for name in (choice.picker.box_field, *(group.field for group in choice.picker.groups))
        ]
        return [*super().field_names(), "api", *of_scopes]


class NewClientForm(NewCredentialForm, ClientForm):
    """Settings, grants, environment and owner of a new client."""


class EditClientForm(ClientForm):
    """Settings and grants of an existing client; ``version`` is the version that the person was shown."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)

    def __init__(self, *args: Any, client: Client, **kwargs: Any) -> None:
        super().__init__(*args, initial=initial_of(client, CLIENT_FIELDS), **kwargs)
        self.kept = self._granted.keys()
        if not client.public_keys:
            del self.fields["public_keys"]  # a client with secrets cannot change to keys

    def clean(self) -> dict[str, Any]:
        """A client with secrets has no field for public keys: set the value to no keys."""
        cleaned = super().clean()
        cleaned.setdefault("public_keys", [])
        return cleaned


class TokenForm(forms.Form):
    """The token to revoke: the whole token or its ``jti``."""

    token = forms.CharField(
        label="Token or jti",
        max_length=MAX_TOKEN_INPUT_CHARS,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text="Only its id is read. We do not keep what you paste.",
    )

    def clean_token(self) -> str:
        """The token's ``jti``."""
        try:
            return jti_in(self.cleaned_data["token"])
        except ValueError as exc:
            raise ValidationError(str(exc)) from None

    def without_token(self) -> Self:
        """The form to show again: with its errors, and without the pasted token."""
        self.data = QueryDict()
        return self


def _scopes(api: Api) -> list[scope_choice.ScopeInfo]:
    return [scope_choice.ScopeInfo(scope.name, scope.description, scope.is_sensitive) for scope in api.scopes.all()]


def _prefix(api: Api) -> str:
    return f"{api.public_id}:"
