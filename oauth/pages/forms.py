"""The forms of the client pages: texts in, the values that services take out."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from keys.models import Api
from keys.pages.forms.credential import CredentialForm, NewCredentialForm, initial_of, lines_of, texts_of
from keys.pages.forms.fields import valid
from keys.rules import field_rules, scope_choice
from oauth.models import Client
from oauth.protocol.jwk import clean_jwks
from oauth.protocol.token_input import MAX_PASTED_CHARS, jti_in
from oauth.services.clients import ClientSettings
from portal.metadata import parse_json

MAX_JWKS_CHARS = 20_000
MAX_SCOPES_DRAWN = 300


@dataclass(frozen=True)
class GrantChoice:
    """Whether a client is let in at an API, and with which scopes, as the choice stands.

    Of very many scopes only those are drawn whose API is chosen: each is a field of the form, which has its bounds.
    """

    api: Api
    is_granted: bool
    picker: scope_choice.Picker | None

    @property
    def ceiling(self) -> str:
        """The most that the API lets a client call it, in words; empty where it sets no such limit."""
        return field_rules.rate_words(self.api.max_rate_limits)


class ClientForm(CredentialForm):
    """What a person chooses for a client; APIs name the scopes, so they are read from the data as it was sent."""

    restrictions = (*CredentialForm.restrictions, "token_lifetime_s", "public_keys")
    kept: Collection[str] = ()  # the APIs at which it may stay without scopes

    token_lifetime_s = forms.IntegerField(
        label="Token lifetime",
        required=False,
        min_value=field_rules.MIN_TOKEN_LIFETIME_S,
        max_value=field_rules.MAX_TOKEN_LIFETIME_S,
        help_text="In seconds, 60 to 86,400. Empty: that of each API.",
    )
    public_keys = forms.CharField(
        label="Keys of its own",
        required=False,
        max_length=MAX_JWKS_CHARS,
        widget=lines_of(4, '{"keys": [{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}]}'),
        help_text="A JWK Set of public keys. With one, the client signs its requests and has no secret to leak.",
    )

    def __init__(self, *args: Any, apis: Sequence[Api], granted: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rate_limits"].help_text = (
            "Requests per seconds with all of its tokens, one a line: 100/60, or daily=10000/86400. "
            "Empty: those of each API, at each by itself."
        )
        self.apis = apis
        self._granted = granted

    @property
    def grants(self) -> list[GrantChoice]:
        """The choice of APIs and scopes as it stands."""
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
        """The scopes by API, as they were sent."""
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
        """At least one API, and a scope of each that is added: a token without any may do nothing."""
        cleaned = super().clean() or {}
        chosen = self.chosen_grants()
        if not chosen:
            self.add_error(None, "Choose at least one API.")
        for api in self.apis:
            if chosen.get(api.public_id) == [] and _scopes(api) and api.public_id not in self.kept:
                self.add_error(None, f"Choose at least one scope of {api.name}.")
        return cleaned

    def clean_public_keys(self) -> list[dict[str, str]]:
        """The public keys, as they are stored."""
        text = self.cleaned_data["public_keys"].strip()
        return list(valid(clean_jwks, valid(parse_json, text))) if text else []

    def settings(self) -> ClientSettings:
        """What the service is asked for."""
        data = self.cleaned_data
        return ClientSettings(
            name=data["name"],
            note=data["note"],
            public_keys=data["public_keys"],
            token_lifetime_s=data["token_lifetime_s"],
            networks=data["networks"],
            rate_limits=data["rate_limits"],
            metadata=data["metadata"],
        )

    def field_names(self) -> list[str]:
        """The names under which the form is sent, those of APIs and scopes included."""
        of_scopes = [
            name
            for choice in self.grants
            if choice.picker
            for name in (choice.picker.box_field, *(group.field for group in choice.picker.groups))
        ]
        return [*self.fields, "api", *of_scopes]


class NewClientForm(NewCredentialForm, ClientForm):
    """A new client."""


class EditClientForm(ClientForm):
    """The settings of a client that exists; ``version`` is the one that the person was shown."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)

    def __init__(self, *args: Any, client: Client, **kwargs: Any) -> None:
        super().__init__(*args, initial=_initial(client), **kwargs)
        self.kept = self._granted.keys()
        if not client.public_keys:
            del self.fields["public_keys"]  # it keeps to secrets

    def clean(self) -> dict[str, Any]:
        """A client that has no keys of its own is asked for none."""
        cleaned = super().clean()
        cleaned.setdefault("public_keys", [])
        return cleaned


class TokenForm(forms.Form):
    """Which token to revoke: all of it, or its id."""

    token = forms.CharField(
        label="Token or jti",
        max_length=MAX_PASTED_CHARS,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text="Only its id is read. We do not keep what you paste.",
    )

    def clean_token(self) -> str:
        """Its id."""
        try:
            return jti_in(self.cleaned_data["token"])
        except ValueError as exc:
            raise ValidationError(str(exc)) from None

    def without_token(self) -> Self:
        """The form as it is shown once more: with its errors, without what was pasted."""
        self.data = QueryDict()
        return self


def _scopes(api: Api) -> list[scope_choice.ScopeInfo]:
    return [scope_choice.ScopeInfo(scope.name, scope.description, scope.is_sensitive) for scope in api.scopes.all()]


def _prefix(api: Api) -> str:
    return f"{api.public_id}:"


def _initial(client: Client) -> dict[str, object]:
    return {
        **initial_of(client),
        "public_keys": json.dumps({"keys": client.public_keys}, indent=2) if client.public_keys else "",
        "token_lifetime_s": client.token_lifetime_s,
    }
