"""Phrase times for pages and mails: relative or exact, in a given time zone. Pure: ``now`` is given, too."""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from math import ceil
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
RELATIVE_UP_TO_S = 30 * DAY_S
# The first parts of the names of time zones in use; all others are old names, offsets and abbreviations.
AREAS = frozenset(
    {
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
    }
)  # fmt: skip


def relative_words(at: datetime, *, now: datetime, zone: tzinfo = UTC) -> str:
    """Return ``2 min ago``, ``in 5 days`` or ``just now``; beyond 30 days, the date. static/js/times.js does the same.

    Past times are rounded down, future times to the nearest unit: "in 24 h" is still shown a second later.
    """
    distance_s = (at - now).total_seconds()
    length_s = abs(distance_s)
    if length_s < MINUTE_S:
        return "just now" if distance_s <= 0 else "in under a minute"
    if length_s >= RELATIVE_UP_TO_S:
        return day_words(at, zone)
    minutes, hours, days = (int(length_s / unit_s + (distance_s > 0) / 2) for unit_s in (MINUTE_S, HOUR_S, DAY_S))
    words = f"{minutes} min" if minutes < 60 else f"{hours} h" if hours < 48 else f"{days} days"
    return f"{words} ago" if distance_s < 0 else f"in {words}"


def day_words(at: datetime, zone: tzinfo = UTC) -> str:
    """Return, for example, ``3 May 2027``."""
    local = in_zone(at, zone)
    return f"{local.day} {local:%b %Y}"


def exact_words(at: datetime, zone: tzinfo = UTC) -> str:
    """Return, for example, ``Tue 24 Nov 2026, 13:05 UTC`` or, in Berlin, ``Tue 24 Nov 2026, 14:05 (13:05 UTC)``.

    If it is another day in UTC, its weekday is told: ``(Mon 23:30 UTC)``. static/js/times.js does the same.
    """
    local, utc = in_zone(at, zone), in_zone(at, UTC)
    words = f"{local:%a} {local.day} {local:%b %Y, %H:%M}"
    if local.utcoffset() == utc.utcoffset():
        return f"{words} UTC"
    return f"{words} ({utc:%H:%M} UTC)" if local.date() == utc.date() else f"{words} ({utc:%a %H:%M} UTC)"


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """Return the moment in the zone; unconverted if the zone's clocks show a year before 1 or after 9999."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def span_words(seconds: float) -> str:
    """Return how long to wait, rounded up: ``8 s``, ``5 min`` or ``3 h``."""
    if seconds <= MINUTE_S:
        return f"{max(ceil(seconds), 1)} s"
    return f"{ceil(seconds / MINUTE_S)} min" if seconds <= HOUR_S else f"{ceil(seconds / HOUR_S)} h"


def zone_named(name: str) -> tzinfo:
    """Return the time zone of this name; UTC if the name is empty, or this machine does not know the zone."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """Return the names of the time zones that people choose from: UTC, and those of places."""
    return ("UTC", *sorted(name for name in available_timezones() if name.partition("/")[0] in AREAS))
