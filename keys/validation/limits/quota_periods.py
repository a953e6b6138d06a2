"""The periods of a quota: days and months in UTC. Pure."""

from datetime import UTC, date, datetime, timedelta

ALL_TIME = date.min  # earlier than any other date: a quota without refill has one period for all time


def period_of(refill: str, now: datetime) -> date:
    """Return the first day of the period that contains ``now``."""
    today = now.astimezone(UTC).date()
    return {"day": today, "month": today.replace(day=1)}.get(refill, ALL_TIME)


def next_period(refill: str, now: datetime) -> datetime | None:
    """Return when the quota is full again; None if it is never refilled."""
    period = period_of(refill, now)
    if period == ALL_TIME:
        return None
    end = period + timedelta(days=1) if refill == "day" else (period + timedelta(days=31)).replace(day=1)
    return datetime(end.year, end.month, end.day, tzinfo=UTC)
