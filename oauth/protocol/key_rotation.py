"""When signing keys take over from one another. Pure: ``now`` is given.

A key is published from its creation. It signs from ``signs_from`` until ``signs_until``, which is when its successor
begins, and stays published until ``kept_until``. All processes turn to the successor by the clock, at the one instant
that both rows have named for a day: so whoever verifies, here or elsewhere, has had the key long before its first token
came, and keeps it until its last token has expired.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S

JWKS_MAX_AGE_S = 900
SIGNS_FOR = timedelta(days=30)
# Far more than verifiers keep the JWKS for, and than our own processes keep a copy of the keys for in an outage.
PUBLISHED_AHEAD = timedelta(days=1)
KEPT_AFTER = timedelta(seconds=MAX_TOKEN_LIFETIME_S) + timedelta(hours=1)  # clocks differ


class KeyState(StrEnum):
    """What a signing key is at an instant."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True)
class Span:
    """When a key signs, and until when it is published; None while no successor is named."""

    signs_from: datetime
    signs_until: datetime | None = None
    kept_until: datetime | None = None


def state(span: Span, *, now: datetime) -> KeyState:
    """What the key is at ``now``."""
    if span.kept_until is not None and span.kept_until <= now:
        return KeyState.RETIRED
    if span.signs_until is not None and span.signs_until <= now:
        return KeyState.RETIRING
    return KeyState.NEXT if now < span.signs_from else KeyState.ACTIVE


def successor_signs_from(newest: Span | None, *, now: datetime, is_wanted: bool = False) -> datetime | None:
    """When a key that is made now begins to sign; None where none is due.

    The first signs at once: nobody can hold an older JWKS. A key that waits for its turn has no successor yet, even
    where one ``is_wanted`` before its time.
    """
    if newest is None:
        return now
    if now < newest.signs_from:
        return None
    if is_wanted or newest.signs_from + SIGNS_FOR - PUBLISHED_AHEAD <= now:
        return now + PUBLISHED_AHEAD
    return None


def ended(span: Span, *, at: datetime) -> Span:
    """The span of a key whose successor begins to sign at that instant."""
    return Span(span.signs_from, at, at + KEPT_AFTER)


def dropped(span: Span, *, now: datetime) -> Span:
    """The span of a key that is trusted no longer, nor are its tokens."""
    return Span(min(span.signs_from, now), min(span.signs_until or now, now), now)
