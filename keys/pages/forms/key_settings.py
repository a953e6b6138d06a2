"""The forms for a key's settings: of a new key, and of an existing one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils.html import format_html

from keys.models import Api, ApiKey, Environment
from keys.pages.forms.credential import (
    SHOWN_FIRST,
    CredentialForm,
    NewCredentialForm,
    changed_values,
    initial_of,
)
from keys.pages.forms.fields import DATE, BarringRadios, MomentField, MomentsForm, bar, choose
from keys.pages.forms.limit_fields import QuotaField
from keys.pages.forms.scope_field import ScopesField
from keys.rules import field_rules, scope_choice
from keys.rules.key_fields import KEY_FIELDS
from keys.services.keys import KeySettings
from portal.ui.markup import exact_time, time_element

NO_SCOPE = "Choose at least one scope: without any, the key may do nothing."
KEEP, NEVER = "keep", "never"
PRESET_DAYS, LONGEST_DAYS = 90, 365
LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "365 days", DATE: "Date", NEVER: "Never"}


class KeyForm(MomentsForm, CredentialForm):
    """The settings of a key. It asks for scopes if the API has any."""

    folded = ("networks", "rate_limits", "quota", "not_before", "metadata", "note")
    field_order = (*SHOWN_FIRST, *folded)

    lifetime = forms.ChoiceField(label="Expires", widget=BarringRadios)
    expires_on = MomentField("Expires on", is_end=True)
    quota = QuotaField(KEY_FIELDS["quota"], help_text="Days and months are in UTC. Leave empty for no limit.")
    not_before = MomentField("Not before", is_end=False, help_text="Requests before this moment are refused.")

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

    def offer_lifetimes(self, lifetimes: Mapping[str, str], hint: str) -> None:
        """Offer these lifetimes, each with its date; those that break a policy cannot be chosen."""
        ends = {value: self._end_of(value) for value in lifetimes if value != DATE}
        rules = {
            value: violation
            for value, end in ends.items()
            if value != KEEP and (violation := self.policy.broken({"expires_at": end}, is_live=False).get("expires_at"))
        }
        choose(self, "lifetime", list(lifetimes.items()))
        bar(self, "lifetime", rules)
        self.lifetime_hints = {value: time_element(end, "day") if end else "" for value, end in ends.items()}
        self.lifetime_hints |= {value: self.policy.mark(violation) for value, violation in rules.items()}
        reason = self.policy.hint(next(iter(rules.values()))) if rules else ""
        self.fields["lifetime"].help_text = format_html("{} {}", hint, reason)
        allowed = [int(value) for value in lifetimes if value.isdecimal() and value not in rules]
        self.fields["lifetime"].initial = max((days for days in allowed if days <= PRESET_DAYS), default=DATE)

    def clean(self) -> dict[str, Any]:
        """Find the moment of the expiry; it has to be given if "Date" was chosen."""
        cleaned = super().clean() or {}
        if cleaned.get("lifetime") == DATE and not cleaned.get("expires_on") and "expires_on" not in self.errors:
            self.add_error("expires_on", "Choose the date and time.")
        if not self.errors.keys() & {"lifetime", "expires_on"}:
            is_date = cleaned["lifetime"] == DATE
            cleaned["expires_at"] = cleaned["expires_on"] if is_date else self._end_of(cleaned["lifetime"])
        return cleaned

    def settings(self) -> KeySettings:
        """Return the settings for the service."""
        data = {**self.cleaned_data, "scopes": self.wanted_scopes()}
        return KeySettings(**{name: data[name] for name in KEY_FIELDS})

    def wanted_scopes(self) -> list[str]:
        """Return the scopes chosen one by one."""
        chosen: list[str] = self.cleaned_data.get("scopes", [])
        return chosen

    def kept_expiry(self) -> datetime | None:
        """Return the expiry that "keep" stands for."""
        return None

    def _end_of(self, lifetime: str) -> datetime | None:
        if lifetime == KEEP:
            return self.kept_expiry()
        return self.now + timedelta(days=int(lifetime)) if lifetime.isdecimal() else None


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
        lifetimes = _with_longest(self.policy.organization.policies.max_key_lifetime_days)
        self.offer_lifetimes(lifetimes, "Requests are refused from this moment on. You can extend it until then.")

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
        self._key = key
        super().__init__(*args, api=key.api, now=now, initial=initial, **kwargs)
        offered = {name: label for name, label in LIFETIMES.items() if name != NEVER or key.expires_at}
        kept = exact_time(key.expires_at) if key.expires_at else "never"
        self.offer_lifetimes({KEEP: "As it is", **offered}, format_html("As it is: {}.", kept))
        self.demand_networks(is_live=self._is_live)

    @property
    def _is_live(self) -> bool:
        return self._key.environment == Environment.LIVE

    def clean(self) -> dict[str, Any]:
        """Require a scope, unless the key has none by now, and hold the policies on what is changed."""
        cleaned = super().clean()
        if "scopes" in cleaned and not cleaned["scopes"] and self["scopes"].initial:
            self.add_error("scopes", NO_SCOPE)
        self.hold_policies(changed_values(self._key, cleaned), is_live=self._is_live)
        return cleaned

    def kept_expiry(self) -> datetime | None:
        return self._key.expires_at


def _with_longest(max_days: int | None) -> dict[str, str]:
    """Return the lifetimes, among them the longest that is allowed if it is shorter than the longest of ours."""
    if max_days is None or max_days >= LONGEST_DAYS:
        return LIFETIMES
    days = sorted({int(days) for days in LIFETIMES if days.isdecimal()} | {max_days})
    return {str(each): f"{each} day{'' if each == 1 else 's'}" for each in days} | {
        name: label for name, label in LIFETIMES.items() if not name.isdecimal()
    }
