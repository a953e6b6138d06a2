"""Find the organization's rules that a key breaks. Pure: facts in, rules out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from keys.rules.networks import WidestPrefixes
from portal.policies import Policies


@dataclass(frozen=True)
class KeyFacts:
    """The facts of a key that rules depend on; ``secret_from`` is when its newest secret was made."""

    is_live: bool
    networks: Sequence[str]
    expires_at: datetime | None
    secret_from: datetime

    @classmethod
    def of(cls, values: Mapping[str, Any], *, is_live: bool, secret_from: datetime) -> Self:
        """Take the facts from the values of a key's fields, by name. A field that is not given counts as empty."""
        return cls(is_live, values.get("networks", ()), values.get("expires_at"), secret_from)


@dataclass(frozen=True)
class Violation:
    """A broken rule: the field to change, words that follow the organization's name, and what to do about it.

    ``brief`` marks a choice that breaks the rule.
    """

    field: str
    rule: str
    remedy: str
    brief: str = ""


def violations(policies: Policies, facts: KeyFacts, *, widest: WidestPrefixes) -> list[Violation]:
    """Return every rule that the key breaks, the most urgent first."""
    found = []
    days = policies.max_key_lifetime_days
    if days is not None and (facts.expires_at is None or facts.expires_at > facts.secret_from + timedelta(days=days)):
        length = "1 day" if days == 1 else f"{days:,} days"
        remedy = f"Choose an earlier date. Keys last at most {length} from their newest secret."
        rule = f"limits keys to {length} from their newest secret"
        found.append(Violation("expires_at", rule, remedy, f"Over {length}"))
    elif policies.key_expiry_required and facts.expires_at is None:
        remedy = "Choose a date. Every key needs one."
        found.append(Violation("expires_at", "requires an expiry on every key", remedy, "Not allowed"))
    return found + network_violations(policies, facts.networks, is_live=facts.is_live, widest=widest)


def network_violations(
    policies: Policies, networks: Sequence[str], *, is_live: bool, widest: WidestPrefixes
) -> list[Violation]:
    """Return the broken rule on networks, if any. It applies to OAuth clients as to keys."""
    if not policies.live_networks_required or not is_live:
        return []
    if not networks:
        remedy = "Enter at least one address. Live keys need one."
        return [Violation("networks", "requires addresses on live keys", remedy)]
    if not widest.allows(networks):
        remedy = f"Enter smaller networks: {widest} in all at most."
        return [Violation("networks", f"limits the allowed addresses of a live key to {widest} in all", remedy)]
    return []


def in_words(broken: Sequence[Violation]) -> str:
    """Join the rules to a part of a sentence: ``limits keys to 90 days, requires …``."""
    return ", ".join(violation.rule for violation in broken)
