"""How an organization's policies shape the form in which a person makes or edits a credential."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys.rules.policy_rules import KeyFacts, Violation
from keys.services.policies import broken_rules, may_change_policies, who_changes_policies
from portal.audit import Actor
from portal.models import Organization
from portal.ui.markup import exact_time, time_element


@dataclass(frozen=True)
class FormPolicy:
    """The policies of an organization, for one person.

    ``secret_from`` is when the newest secret was or will be made.
    """

    organization: Organization
    by: Actor
    secret_from: datetime
    is_new: bool = True

    def broken(self, values: Mapping[str, Any], *, is_live: bool) -> dict[str, Violation]:
        """Return the rule that each field would break with these values."""
        facts = KeyFacts.of(values, is_live=is_live, secret_from=self.secret_from)
        found = broken_rules(self.organization, facts, by=self.by, is_new=self.is_new)
        return {violation.field: violation for violation in found}

    def mark(self, violation: Violation) -> str:
        """Return a few words for a lifetime that breaks the rule."""
        latest = self._latest_end
        return format_html("After {}", time_element(latest, "day")) if latest else violation.brief

    def hint(self, violation: Violation) -> SafeString:
        """Return the rule in words, and who can change it: a link for this person, or names."""
        latest = self._latest_end if violation.field == "expires_at" else None
        end = format_html(": until {} at most. Roll the key to go further", exact_time(latest)) if latest else ""
        return format_html("Your organization {}{}. {}.", violation.rule, end, self._who_can_change_it)

    @cached_property
    def _who_can_change_it(self) -> SafeString:
        """Return who can change the policies; cached, since a form gives several hints."""
        if may_change_policies(self.organization, self.by):
            return format_html('You can change this in <a href="{}">Policies</a>', reverse("team:policies"))
        return format_html("{} can change that", who_changes_policies(self.organization))

    @property
    def _latest_end(self) -> datetime | None:
        """Return how long an existing key may last at most; None without a limit, and for a new key."""
        days = self.organization.policies.max_key_lifetime_days
        return self.secret_from + timedelta(days=days) if days and not self.is_new else None
