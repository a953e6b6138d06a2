"""The forms for a key's settings: of a new key, and of an existing one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict

from keys.models import Api, ApiKey
from keys.pages.forms.credential import (
    SHOWN_FIRST,
    CredentialForm,
    NewCredentialForm,
    initial_of,
    texts_of,
)
from keys.pages.forms.fields import DATE, MomentField, choose
from keys.pages.forms.limit_fields import QuotaField
from keys.rules import field_rules, scope_choice
from keys.rules.key_fields import KEY_FIELDS
from keys.services.keys import KeySettings

KEEP, NEVER = "keep", "never"
LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "365 days", DATE: "Date", NEVER: "Never"}


class KeyForm(CredentialForm):
    """The settings of a key. The scopes depend on the API, so they are read from the submitted data directly."""

    folded = ("networks", "rate_limits", "quota", "not_before", "metadata", "note")
    field_order = (*SHOWN_FIRST, *folded)

    lifetime = forms.ChoiceField(
        label="Expires", widget=forms.RadioSelect, choices=list(LIFETIMES.items()), initial="90"
    )
    expires_on = MomentField(label="Expires on (UTC)")
    quota = QuotaField(KEY_FIELDS["quota"], help_text="Days and months are those of UTC. Empty: any number of uses.")
    not_before = MomentField(label="Not before (UTC)", help_text="Requests before this moment are refused.")

    def __init__(self, *args: Any, api: Api, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        if api.max_rate_limits:
            self.fields[
                "rate_limits"
            ].help_text += (
                f" {api.name} allows each key at most {field_rules.rate_words(api.max_rate_limits)}, whatever you set."
            )
        self.scopes = [
            scope_choice.ScopeInfo(scope.name, scope.description, scope.is_sensitive) for scope in api.scopes.all()
        ]

    @property
    def picker(self) -> scope_choice.Picker:
        """The scope choices, with the current ones chosen."""
        return scope_choice.picker(self.scopes, self.picked_scopes() if self.is_bound else self.initial_scopes())

    def clean(self) -> dict[str, Any]:
        """Require a date if "Date" was chosen."""
        cleaned = super().clean() or {}
        if cleaned.get("lifetime") == DATE and not cleaned.get("expires_on") and "expires_on" not in self.errors:
            self.add_error("expires_on", "Choose the date and time.")
        return cleaned

    def settings(self) -> KeySettings:
        """Return the settings for the service."""
        data = {**self.cleaned_data, "scopes": self.wanted_scopes(), "expires_at": self._expires_at()}
        return KeySettings(**{name: data[name] for name in KEY_FIELDS})

    def wanted_scopes(self) -> list[str]:
        return self.picked_scopes()

    def picked_scopes(self) -> list[str]:
        """Return the scopes chosen one by one."""
        ticked = self.data.getlist("scope") if isinstance(self.data, QueryDict) else []
        return scope_choice.chosen_scopes(self.scopes, texts_of(self.data), ticked)

    def initial_scopes(self) -> Sequence[str]:
        """Return the scopes that are chosen when the form opens."""
        return ()

    def kept_expiry(self) -> datetime | None:
        """Return the expiry that "keep" stands for."""
        return None

    def _expires_at(self) -> datetime | None:
        match self.cleaned_data["lifetime"]:
            case "keep":
                return self.kept_expiry()
            case "never":
                return None
            case "date":
                found: datetime = self.cleaned_data["expires_on"]
                return found
            case days:
                return self.now + timedelta(days=int(days))


def offered_lifetime(max_days: int | None) -> str:
    """Return the lifetime that a new key's form preselects: 90 days, or less if the organization's maximum is less."""
    days = [days for days in LIFETIMES if days.isdecimal() and int(days) <= min(90, max_days or 90)]
    return days[-1] if days else DATE


class NewKeyForm(NewCredentialForm, KeyForm):
    """The settings of a new key of one API."""

    template = forms.ChoiceField(label="Access", widget=forms.RadioSelect)

    environment_hints: ClassVar = {"live": "For real traffic.", "test": "For trying things."}
    template_hints: ClassVar = {
        "read": "Every scope that only reads.",
        "full": "Every scope of the API.",
        "custom": "You choose below.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        readable = scope_choice.readable(self.scopes)
        choices = [("read", "Read only")] * bool(readable) + [("full", "Full access"), ("custom", "Custom")]
        choose(self, "template", choices)
        self.fields["template"].initial = "read" if readable else "custom"
        self.fields["template"].required = bool(self.scopes)

    def clean(self) -> dict[str, Any]:
        """Require a scope if scopes are chosen one by one: a key without scopes may do nothing."""
        cleaned = super().clean()
        if self.scopes and cleaned.get("template") == "custom" and not self.picked_scopes():
            self.add_error("template", "Choose at least one scope below.")
        return cleaned

    def wanted_scopes(self) -> list[str]:
        """Return the scopes of the template, or those chosen one by one."""
        match self.cleaned_data["template"]:
            case "read":
                return scope_choice.readable(self.scopes)
            case "full":
                return [scope.name for scope in self.scopes]
            case _:
                return self.picked_scopes()


class EditKeyForm(KeyForm):
    """The settings of an existing key; ``version`` is the one that the page showed."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)

    def __init__(self, *args: Any, key: ApiKey, now: datetime, **kwargs: Any) -> None:
        initial = initial_of(key, KEY_FIELDS) | {"lifetime": KEEP}
        super().__init__(*args, api=key.api, now=now, initial=initial, **kwargs)
        self._key = key
        offered = {name: label for name, label in LIFETIMES.items() if name != NEVER or key.expires_at}
        choose(self, "lifetime", [(KEEP, "As it is"), *offered.items()])

    def initial_scopes(self) -> Sequence[str]:
        return list(self._key.scopes)

    def kept_expiry(self) -> datetime | None:
        return self._key.expires_at

    def field_names(self) -> list[str]:
        return [*super().field_names(), "scope", *(group.field for group in self.picker.groups)]
