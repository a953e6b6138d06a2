"""The schedule of signing keys: when each is published, signs and is retired. Pure: ``now`` is an argument.

A key is published from its creation. It signs from ``signs_from`` until ``signs_until``, when its successor starts to
sign, and stays published until ``kept_until``. The rows of both keys hold the time of the change a day ahead, and all
processes change keys by the clock. So every verifier has a key long before the key's first token, and keeps it until
the last of its tokens has expired.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S

JWKS_MAX_AGE_S = 900
SIGNS_FOR = timedelta(days=30)
# Far longer than verifiers cache the JWK Set, and than our own processes use a cached copy of the keys in an outage.
PUBLISHED_AHEAD = timedelta(days=1)
KEPT_AFTER = timedelta(seconds=MAX_TOKEN_LIFETIME_S) + timedelta(hours=1)  # clocks differ


class KeyState(StrEnum):
    """The state of a signing key at a given time."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True)
class SigningPeriod:
    """The times between which a key signs, and the end of its publication; both ends are None without a successor."""

    signs_from: datetime
    signs_until: datetime | None = None
    kept_until: datetime | None = None


def state(period: SigningPeriod, *, now: datetime) -> KeyState:
    """The state of the key at ``now``."""
    if period.kept_until is not None and period.kept_until <= now:
        return KeyState.RETIRED
    if period.signs_until is not None and period.signs_until <= now:
        return KeyState.RETIRING
    return KeyState.NEXT if now < period.signs_from else KeyState.ACTIVE


def successor_signs_from(newest: SigningPeriod | None, *, now: datetime, is_wanted: bool = False) -> datetime | None:
    """The time from which a key made now would sign; None if no key is due.

    The first key signs at once, since no verifier can hold an older JWK Set. A key that does not sign yet gets no
    successor, not even with ``is_wanted``, which otherwise makes one ahead of schedule.
    """
    if newest is None:
        return now
    if now < newest.signs_from:
        return None
    if is_wanted or newest.signs_from + SIGNS_FOR - PUBLISHED_AHEAD <= now:
        return now + PUBLISHED_AHEAD
    return None


def ended(period: SigningPeriod, *, at: datetime) -> SigningPeriod:
    """The period of a key whose successor starts to sign at ``at``."""
    return SigningPeriod(period.signs_from, at, at + KEPT_AFTER)


def dropped(period: SigningPeriod, *, now: datetime) -> SigningPeriod:
    """The period of a key that is no longer trusted from ``now`` on; its tokens are refused too."""
    return SigningPeriod(min(period.signs_from, now), min(period.signs_until or now, now), now)
