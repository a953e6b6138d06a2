"""Decide which secrets end when one is added, and when an old secret may safely be ended. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


@dataclass(frozen=True)
class WorkingSecret:
    """A secret that works at the moment of rolling."""

    id: str
    ends_at: datetime | None
    is_used: bool


def keeps_older(working: Sequence[WorkingSecret]) -> bool:
    """Tell whether a roll with any overlap leaves the older secret its end: of two, nobody has used the newest.

    The secrets come oldest first.
    """
    return len(working) > 1 and not working[-1].is_used


def plan_roll(
    working: Sequence[WorkingSecret], *, overlap: timedelta, expires_at: datetime | None, now: datetime
) -> dict[str, datetime]:
    """Return new ends for the secrets that work now, oldest first, when another is added: at most one outlives ``now``.

    A single secret gets the overlap, but never past the credential's own end. Of two secrets, if nobody has used the
    newest (its text was probably lost), the newest ends and the older keeps its end. If the newest is in use, it gets
    the overlap and the older ends. An overlap of 0 ends all of them now.
    """
    grace_end = now + overlap if expires_at is None else min(now + overlap, expires_at)
    if not working:
        return {}
    *older, newest = working
    if overlap and keeps_older(working):
        return {secret.id: now for secret in older[:-1]} | {newest.id: now}
    return {secret.id: now for secret in older} | {newest.id: grace_end}


QUIET_AFTER = timedelta(hours=1)
SAFE_AFTER = timedelta(days=1)


class Light(Enum):
    """How safe it is to end the old secret of an overlap: a word, its tone, and a reason."""

    NEVER_USED = "Safe to end", "ok", "Nobody has ever used it."
    IN_USE = "In use", "warn", "Give its last caller the new one first."
    NOT_SWITCHED = "Not switched", "warn", "Nobody has used the new one yet."
    QUIET = "Quiet", "info", "A daily job may still use it."
    SAFE = "Safe to end", "ok", "Nobody has used it for a day, and the new one is in use."

    def __init__(self, word: str, tone: str, why: str) -> None:
        self.word = word
        self.tone = tone
        self.why = why


def light_of(old_last_used_at: datetime | None, new_last_used_at: datetime | None, *, now: datetime) -> Light:
    """Choose the light for an overlap, from the last uses of its two secrets."""
    if old_last_used_at is None:
        return Light.NEVER_USED
    if now < old_last_used_at + QUIET_AFTER:
        return Light.IN_USE
    if new_last_used_at is None:
        return Light.NOT_SWITCHED
    return Light.QUIET if now < old_last_used_at + SAFE_AFTER else Light.SAFE
