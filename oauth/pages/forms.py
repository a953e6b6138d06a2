"""Forms of the client pages: they turn submitted texts into the values that services take."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from keys.models import Api, Environment
from keys.pages.forms.credential import (
    SHOWN_FIRST,
    CredentialForm,
    NewCredentialForm,
    changed_values,
    initial_of,
    lines_of,
)
from keys.pages.forms.fields import TypedField, choose
from keys.pages.forms.scope_field import SCOPES, ScopesField
from keys.rules import field_rules
from oauth.models import Client
from oauth.protocol.client_fields import CLIENT_FIELDS
from oauth.protocol.token_input import MAX_TOKEN_INPUT_CHARS, jti_in
from oauth.services.clients import ClientSettings

MAX_JWKS_CHARS = 20_000
MAX_SCOPES_DRAWN = 1000


@dataclass(frozen=True)
class GrantChoice:
    """An API in the form: whether it is granted, and the picker of its scopes if it has any.

    If there are very many scopes, the picker of an API is drawn once the API is chosen: a page with all would be slow.
    """

    api: Api
    is_granted: bool
    picker: forms.BoundField | None
    draws_all: bool

    @property
    def is_drawn(self) -> bool:
        """Tell whether the picker is drawn."""
        return self.draws_all or self.is_granted

    @property
    def ceiling(self) -> str:
        """The API's ceiling on rates in words; empty without a ceiling."""
        return field_rules.rate_words(self.api.max_rate_limits)


class ClientForm(CredentialForm):
    """Settings and grants of a client: the APIs, and the scopes at each."""

    folded = ("public_keys", "token_lifetime_s", "networks", "rate_limits", "metadata", "note")
    field_order = (*SHOWN_FIRST, *folded)
    kept: Collection[str] = ()  # the APIs that may stay granted without scopes

    token_lifetime_s = forms.IntegerField(
        label="Token lifetime",
        required=False,
        min_value=field_rules.MIN_TOKEN_LIFETIME_S,
        max_value=field_rules.MAX_TOKEN_LIFETIME_S,
        help_text="In seconds, 60 to 86,400. Leave empty to use each API's lifetime.",
    )
    public_keys = TypedField(
        CLIENT_FIELDS["public_keys"],
        max_length=MAX_JWKS_CHARS,
        widget=lines_of(4, '{"keys": [{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}]}'),
        help_text="A JWK Set of public keys. With one, the client signs its requests and has no secret to leak.",
    )

    api = forms.MultipleChoiceField(
        label="APIs",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one API.", "invalid_choice": "Choose among these APIs."},
    )

    def __init__(self, *args: Any, apis: Sequence[Api], granted: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = {_scopes_of(api_id): list(names) for api_id, names in granted.items()}
        self.initial = {**self.initial, "api": list(granted), **scopes}
        self.fields[
            "rate_limits"
        ].help_text = "For all tokens of the client together. Leave empty to use the limits of each API."
        choose(self, "api", [(api.public_id, api.name) for api in apis])
        self.apis = apis
        pickers = {_scopes_of(api.public_id): ScopesField(api, label=f"Scopes of {api.name}") for api in apis}
        self._pickers = {name: picker for name, picker in pickers.items() if picker.scopes}
        self.fields |= self._pickers
        self.order_fields([*SHOWN_FIRST, "api", *self._pickers, *self.folded])

    @property
    def grants(self) -> list[GrantChoice]:
        """The choices of APIs and scopes to draw: those submitted, else those granted."""
        chosen = self["api"].value() or []
        draws_all = sum(len(picker.scopes) for picker in self._pickers.values()) <= MAX_SCOPES_DRAWN
        return [
            GrantChoice(api, api.public_id in chosen, self._picker_of(api.public_id), draws_all) for api in self.apis
        ]

    def chosen_grants(self) -> dict[str, list[str]]:
        """The chosen scopes by API."""
        return {api_id: self.cleaned_data.get(_scopes_of(api_id), []) for api_id in self.cleaned_data.get("api", [])}

    def clean(self) -> dict[str, Any]:
        """Require a scope of each added API that has scopes: a token without scopes may do nothing."""
        cleaned = super().clean() or {}
        chosen = self.chosen_grants()
        for api in self.apis:
            picker = self._picker_of(api.public_id)
            if picker and chosen.get(api.public_id) == [] and api.public_id not in self.kept:
                self.add_error(picker.name, f"Choose at least one scope of {api.name}.")
        return cleaned

    def _picker_of(self, api_id: str) -> forms.BoundField | None:
        return self[_scopes_of(api_id)] if _scopes_of(api_id) in self._pickers else None

    def settings(self) -> ClientSettings:
        """The settings for the service."""
        return ClientSettings(**{name: self.cleaned_data[name] for name in CLIENT_FIELDS})


class NewClientForm(NewCredentialForm, ClientForm):
    """Settings, grants, environment and owner of a new client."""


class EditClientForm(ClientForm):
    """Settings and grants of an existing client; ``version`` is the version that the person was shown."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)

    def __init__(self, *args: Any, client: Client, **kwargs: Any) -> None:
        super().__init__(*args, initial=initial_of(client, CLIENT_FIELDS), **kwargs)
        self.kept = [api_id for api_id, scopes in kwargs["granted"].items() if not scopes]
        self._client = client
        self.demand_networks(is_live=self._is_live)
        if not client.public_keys:
            del self.fields["public_keys"]  # a client with secrets cannot change to keys

    @property
    def _is_live(self) -> bool:
        return self._client.environment == Environment.LIVE

    def clean(self) -> dict[str, Any]:
        """Hold the policies on what is changed. A client with secrets has no field for public keys: it has no keys."""
        cleaned = super().clean()
        self.hold_policies(changed_values(self._client, cleaned), is_live=self._is_live)
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


def _scopes_of(api_id: str) -> str:
    """Return the name of the field for the scopes of an API."""
    return f"{api_id}:{SCOPES}"
