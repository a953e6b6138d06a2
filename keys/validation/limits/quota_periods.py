"""Which period of a quota an instant falls into, and when the next begins: days and months of UTC. Pure."""

from datetime import UTC, date, datetime, timedelta

ALL_TIME = date.min  # before every other: a quota that is never refilled has one period


def period_of(refill: str, now: datetime) -> date:
    """The first day of the period."""
    today = now.astimezone(UTC).date()
    return {"day": today, "month": today.replace(day=1)}.get(refill, ALL_TIME)


def next_period(refill: str, now: datetime) -> datetime | None:
    """When the quota is full again; None where it never is."""
    period = period_of(refill, now)
    if period == ALL_TIME:
        return None
    end = period + timedelta(days=1) if refill == "day" else (period + timedelta(days=31)).replace(day=1)
    return datetime(end.year, end.month, end.day, tzinfo=UTC)
