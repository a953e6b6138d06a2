"""Find the organization's rules that a key breaks. Pure: facts in, rules out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.rules.networks import WidestPrefixes
from portal.policies import Policies


@dataclass(frozen=True)
class KeyFacts:
    """The facts of a key that rules depend on; ``secret_from`` is when its newest secret was made."""

    is_live: bool
    networks: Sequence[str]
    expires_at: datetime | None
    secret_from: datetime


@dataclass(frozen=True)
class Violation:
    """A broken rule: the field to change, and words that follow the organization's name."""

    field: str
    rule: str


def violations(policies: Policies, facts: KeyFacts, *, widest: WidestPrefixes) -> list[Violation]:
    """Return every rule that the key breaks, the most urgent first."""
    found = []
    days = policies.max_key_lifetime_days
    if days is not None and (facts.expires_at is None or facts.expires_at > facts.secret_from + timedelta(days=days)):
        length = "1 day" if days == 1 else f"{days:,} days"
        found.append(Violation("expires_at", f"limits keys to {length} from their newest secret"))
    elif policies.key_expiry_required and facts.expires_at is None:
        found.append(Violation("expires_at", "asks for an expiry on every key"))
    return found + network_violations(policies, facts.networks, is_live=facts.is_live, widest=widest)


def network_violations(
    policies: Policies, networks: Sequence[str], *, is_live: bool, widest: WidestPrefixes
) -> list[Violation]:
    """Return the broken rule on networks, if any. It applies to OAuth clients as to keys."""
    if not policies.live_networks_required or not is_live:
        return []
    if not networks:
        return [Violation("networks", "asks for allowed addresses on live keys")]
    if not widest.allows(networks):
        return [Violation("networks", f"limits the allowed addresses of a live key to {widest} in all")]
    return []


def in_words(broken: Sequence[Violation]) -> str:
    """Join the rules to a part of a sentence: ``limits keys to 90 days, asks for …``."""
    return ", ".join(violation.rule for violation in broken)
