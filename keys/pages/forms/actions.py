"""Forms that come before an action: roll, extend an overlap, revoke."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.html import format_html

from keys.models import RevokeReason
from keys.pages.forms.fields import DATE, MomentField, MomentsForm
from keys.rules import field_rules
from portal.templatetags.ui import masked_key
from portal.ui.markup import exact_time
from portal.ui.typed_names import TypedNameForm

DAY_S = 24 * 3600
NOW, KEEP = "0", "keep"
OVERLAPS = {
    NOW: "Now",
    "3600": "After 1 hour",
    str(DAY_S): "After 24 hours",
    str(3 * DAY_S): "After 3 days",
    str(7 * DAY_S): "After 7 days",
    DATE: "At another time",
}
EXTENSIONS = {"1": "1 hour", "24": "24 hours", "72": "3 days", "168": "7 days"}


@dataclass(frozen=True)
class Kept:
    """The older of two secrets, if a roll with any overlap leaves it the end it has."""

    hint: str
    until: datetime


class RollForm(MomentsForm):
    """Ask when the old secret ends; ``seen`` is the newest secret that the page showed.

    If the older of two is kept, the form asks only whether it ends now. A choice made beside another newest secret is
    left to the service, which refuses the roll.
    """

    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)
    overlap = forms.ChoiceField(
        label="End the old secret",
        widget=forms.RadioSelect,
        choices=[*OVERLAPS.items(), (KEEP, "Keep")],
        initial=str(DAY_S),
    )
    ends_on = MomentField("At this time", is_end=True)

    def __init__(self, *args: Any, now: datetime, kept: Kept | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._now, self._kept = now, kept
        self._offered = OVERLAPS
        if kept:
            keep = format_html("Keep {} until {}", masked_key(kept.hint), exact_time(kept.until))
            self._offered = {NOW: OVERLAPS[NOW], KEEP: keep}
            self.initial["overlap"] = KEEP
        self.fields["overlap"].widget.choices = list(self._offered.items())

    def clean(self) -> dict[str, Any]:
        """Require a choice of those offered, and a time within the longest overlap for "at another time"."""
        cleaned = super().clean() or {}
        if cleaned.get("seen") == self.initial["seen"] and cleaned.get("overlap", NOW) not in self._offered:
            self.add_error("overlap", "Choose one of these.")
        elif cleaned.get("overlap") == DATE and "ends_on" not in self.errors:
            ends_on = cleaned.get("ends_on")
            if ends_on is None or not self._now < ends_on <= self._now + field_rules.MAX_OVERLAP:
                self.add_error("ends_on", f"Choose a time within the next {field_rules.MAX_OVERLAP.days} days.")
        return cleaned

    def length(self) -> timedelta:
        """Return how long both secrets are to work."""
        if self.cleaned_data["overlap"] == KEEP:
            return self._kept.until - self._now if self._kept else timedelta(0)
        if self.cleaned_data["overlap"] == DATE:
            ends_on: datetime = self.cleaned_data["ends_on"]
            return ends_on - self._now
        return timedelta(seconds=int(self.cleaned_data["overlap"]))


class ExtensionForm(forms.Form):
    """Ask how much longer a retiring secret goes on."""

    hours = forms.ChoiceField(
        label="Extend by", choices=list(EXTENSIONS.items()), initial="24", widget=forms.Select(attrs={"class": "input"})
    )

    def length(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["hours"]))


class RevocationForm(TypedNameForm):
    """Ask for the reason of a revocation. If the key is in use, its name has to be typed."""

    field_order = ("reason", "name")
    reason = forms.ChoiceField(
        label="Why", widget=forms.RadioSelect, choices=RevokeReason.choices, initial=RevokeReason.REPLACED
    )

    def __init__(self, *args: Any, expected_name: str | None, **kwargs: Any) -> None:
        super().__init__(*args, expected_name=expected_name or "", **kwargs)
        if expected_name is None:
            del self.fields["name"]

    def wanted_reason(self) -> RevokeReason:
        return RevokeReason(self.cleaned_data["reason"])
