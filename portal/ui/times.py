"""Phrase times for pages: relative or exact. Pure: ``now`` is given."""

from datetime import UTC, datetime

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
RELATIVE_UP_TO_S = 30 * DAY_S


def relative_words(at: datetime, *, now: datetime) -> str:
    """Return ``2 min ago``, ``in 5 days`` or ``just now``; beyond 30 days, the date. static/js/times.js does the same.

    Past times are rounded down, future times to the nearest unit: "in 24 h" is still shown a second later.
    """
    distance_s = (at - now).total_seconds()
    length_s = abs(distance_s)
    if length_s < MINUTE_S:
        return "just now" if distance_s <= 0 else "in under a minute"
    if length_s >= RELATIVE_UP_TO_S:
        return day_words(at)
    minutes, hours, days = (int(length_s / unit_s + (distance_s > 0) / 2) for unit_s in (MINUTE_S, HOUR_S, DAY_S))
    words = f"{minutes} min" if minutes < 60 else f"{hours} h" if hours < 48 else f"{days} days"
    return f"{words} ago" if distance_s < 0 else f"in {words}"


def day_words(at: datetime) -> str:
    """Return, for example, ``3 May 2027``, in UTC."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y}"


def exact_words(at: datetime) -> str:
    """Return, for example, ``Tue 24 Nov 2026, 13:05 UTC``."""
    utc = at.astimezone(UTC)
    return f"{utc:%a} {utc.day} {utc:%b %Y, %H:%M} UTC"
