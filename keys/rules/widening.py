"""Whether a change lets a key do more than before. Pure."""

from collections.abc import Sequence
from datetime import datetime

from keys.rules.field_rules import Quota, RateLimit
from keys.rules.networks import size_of

_REFILLS = ("none", "month", "day")  # the rarest first


def widens_scopes(before: Sequence[str], after: Sequence[str]) -> bool:
    """A scope more."""
    return not set(after) <= set(before)


def widens_networks(before: Sequence[str], after: Sequence[str]) -> bool:
    """An address more; none listed means any."""
    if not before:
        return False
    if not after:
        return True
    return size_of([*before, *after]) != size_of(before)


def widens_expiry(before: datetime | None, after: datetime | None) -> bool:
    """A later end; None never ends."""
    return before is not None and (after is None or after > before)


def widens_not_before(before: datetime | None, after: datetime | None) -> bool:
    """An earlier beginning; None has begun."""
    return before is not None and (after is None or after < before)


def widens_rate_limits(before: Sequence[RateLimit], after: Sequence[RateLimit]) -> bool:
    """A limit that is gone or raised: some limit of before has none at least as strict after."""
    return not all(any(_is_as_strict(new, old) for new in after) for old in before)


def widens_quota(before: Quota | None, after: Quota | None) -> bool:
    """A quota that is gone, raised, or refilled more often."""
    if before is None or after is None:
        return before is not None
    return after["limit"] > before["limit"] or _REFILLS.index(after["refill"]) > _REFILLS.index(before["refill"])


def _is_as_strict(new: RateLimit, old: RateLimit) -> bool:
    return new["limit"] <= old["limit"] and new["limit"] * old["window_s"] <= old["limit"] * new["window_s"]
