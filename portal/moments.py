"""Check moments that people choose: an expiry, a beginning, the day of a policy. Pure."""

from datetime import UTC, datetime, tzinfo

# Further years leave the range of Python's calendar in some time zone.
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def clean_moment(at: datetime | None) -> datetime | None:
    """Return the moment in UTC; raises ValueError before the year 2000 and from the year 9000 on."""
    if at is None:
        return None
    if not FIRST <= at < LAST:
        raise ValueError("Choose a time between the years 2000 and 9000.")
    return at.astimezone(UTC)


def moment_in(zone: tzinfo, typed: datetime, *, is_end: bool) -> datetime | None:
    """Return the moment, in UTC, at which clocks in the zone show the typed date and time.

    When clocks are set back, they show a time twice: an end is the later moment, a beginning the earlier one. Raises
    ValueError for a time that the clocks skip, and as ``clean_moment`` does.
    """
    at = clean_moment(typed.replace(tzinfo=zone, fold=is_end))
    if at is not None and at.astimezone(zone).replace(tzinfo=None) != typed:
        raise ValueError(f"Clocks in {zone} skip this time, because they are set forward. Choose another.")
    return at
