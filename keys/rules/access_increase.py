"""Tell whether a change lets a key do more than before. Pure."""

from collections.abc import Sequence
from datetime import datetime

from keys.rules.field_rules import QuotaLimit, RateLimit
from keys.rules.networks import size_of

_REFILLS = ("none", "month", "day")  # from rarest to most frequent


def adds_scopes(before: Sequence[str], after: Sequence[str]) -> bool:
    """True if a scope was added."""
    return not set(after) <= set(before)


def allows_more_networks(before: Sequence[str], after: Sequence[str]) -> bool:
    """True if an address was added. No networks means any address."""
    if not before:
        return False
    if not after:
        return True
    return size_of([*before, *after]) != size_of(before)


def ends_later(before: datetime | None, after: datetime | None) -> bool:
    """True if the end is later. None means no end."""
    return before is not None and (after is None or after > before)


def begins_earlier(before: datetime | None, after: datetime | None) -> bool:
    """True if the beginning is earlier. None means that it has begun."""
    return before is not None and (after is None or after < before)


def loosens_rate_limits(before: Sequence[RateLimit], after: Sequence[RateLimit]) -> bool:
    """True if a limit was removed or raised: some old limit has no new limit that is at least as strict."""
    return not all(any(_is_as_strict(new, old) for new in after) for old in before)


def loosens_quota(before: QuotaLimit | None, after: QuotaLimit | None) -> bool:
    """True if the quota was removed, raised, or is refilled more often."""
    if before is None or after is None:
        return before is not None
    return after["limit"] > before["limit"] or _REFILLS.index(after["refill"]) > _REFILLS.index(before["refill"])


def _is_as_strict(new: RateLimit, old: RateLimit) -> bool:
    return new["limit"] <= old["limit"] and new["limit"] * old["window_s"] <= old["limit"] * new["window_s"]
