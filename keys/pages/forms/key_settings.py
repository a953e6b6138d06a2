"""The forms for a key's settings: of a new key, and of an existing one."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms

from keys.models import Api, ApiKey
from keys.pages.forms.credential import (
    SHOWN_FIRST,
    CredentialForm,
    NewCredentialForm,
    initial_of,
)
from keys.pages.forms.fields import DATE, MomentField, choose
from keys.pages.forms.limit_fields import QuotaField
from keys.pages.forms.scope_field import ScopesField
from keys.rules import field_rules, scope_choice
from keys.rules.key_fields import KEY_FIELDS
from keys.services.keys import KeySettings

NO_SCOPE = "Choose at least one scope: without any, the key may do nothing."
KEEP, NEVER = "keep", "never"
LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "365 days", DATE: "Date", NEVER: "Never"}


class KeyForm(CredentialForm):
    """The settings of a key. It asks for scopes if the API has any."""

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
        picker = ScopesField(api, help_text="Write includes Read.")
        self.api_scopes = picker.scopes
        if self.api_scopes:
            self.fields["scopes"] = picker
            self.order_fields(self.field_order)

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
        """Return the scopes chosen one by one."""
        chosen: list[str] = self.cleaned_data.get("scopes", [])
        return chosen

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

    template_hints: ClassVar = {
        "read": "Every scope that only reads.",
        "full": "Every scope of the API.",
        "custom": "You choose below.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        readable = scope_choice.readable(self.api_scopes)
        choices = [("read", "Read only")] * bool(readable) + [("full", "Full access"), ("custom", "Custom")]
        choose(self, "template", choices)
        self.fields["template"].initial = "read" if readable else "custom"
        self.fields["template"].required = bool(self.api_scopes)

    def clean(self) -> dict[str, Any]:
        """Require a scope if scopes are chosen one by one: a key without scopes may do nothing."""
        cleaned = super().clean()
        if self.api_scopes and cleaned.get("template") == "custom" and not cleaned["scopes"]:
            self.add_error("scopes", NO_SCOPE)
        return cleaned

    def wanted_scopes(self) -> list[str]:
        """Return the scopes of the template, or those chosen one by one."""
        match self.cleaned_data["template"]:
            case "read":
                return scope_choice.readable(self.api_scopes)
            case "full":
                return [scope.name for scope in self.api_scopes]
            case _:
                return super().wanted_scopes()


class EditKeyForm(KeyForm):
    """The settings of an existing key; ``version`` is the one that the page showed."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)

    def __init__(self, *args: Any, key: ApiKey, now: datetime, **kwargs: Any) -> None:
        known = {scope.name for scope in key.api.scopes.all()}
        initial = initial_of(key, KEY_FIELDS)
        initial |= {"lifetime": KEEP, "scopes": [scope for scope in key.scopes if scope in known]}
        super().__init__(*args, api=key.api, now=now, initial=initial, **kwargs)
        self._key = key
        offered = {name: label for name, label in LIFETIMES.items() if name != NEVER or key.expires_at}
        choose(self, "lifetime", [(KEEP, "As it is"), *offered.items()])

    def clean(self) -> dict[str, Any]:
        """Require a scope, unless the key has none by now."""
        cleaned = super().clean()
        if "scopes" in cleaned and not cleaned["scopes"] and self["scopes"].initial:
            self.add_error("scopes", NO_SCOPE)
        return cleaned

    def kept_expiry(self) -> datetime | None:
        return self._key.expires_at
