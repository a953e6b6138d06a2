"""Which secrets end when one is added. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class WorkingSecret:
    """A secret that works at the moment of rolling."""

    id: str
    ends_at: datetime | None
    is_used: bool


def plan_roll(
    working: Sequence[WorkingSecret], *, overlap: timedelta, expires_at: datetime | None, now: datetime
) -> dict[str, datetime]:
    """New ends of the secrets that work now, oldest first, once another is added: at most one outlives ``now``.

    One secret gets the overlap, never past the credential's own end. Of two, a newest that nobody used ends (its
    maker lost it) and the older keeps its end; a newest in use gets the overlap and the older ends. "Now" as the
    overlap is meant for all of them.
    """
    grace_end = now + overlap if expires_at is None else min(now + overlap, expires_at)
    if not working:
        return {}
    *older, newest = working
    if older and not newest.is_used and overlap:
        return {secret.id: now for secret in older[:-1]} | {newest.id: now}
    return {secret.id: now for secret in older} | {newest.id: grace_end}
