"""Moments that people choose: their bounds, and what clocks show around a change of them."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from portal.moments import FIRST, LAST, clean_moment, moment_in

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Auckland"), timezone(timedelta(hours=14)))


def test_a_moment_is_kept_in_utc() -> None:
    kept = clean_moment(datetime(2027, 6, 1, 12, tzinfo=BERLIN))
    assert (kept, kept and kept.tzinfo, clean_moment(None)) == (datetime(2027, 6, 1, 10, tzinfo=UTC), UTC, None)


@pytest.mark.parametrize("zone", ZONES)
def test_moments_that_some_calendar_does_not_have_are_refused_in_every_zone(zone: tzinfo) -> None:
    for typed in ("0001-01-01T00:00", "1999-12-30T00:00", "9000-01-02T00:00", "9999-12-31T23:59"):
        with pytest.raises(ValueError, match="between the years 2000 and 9000"):
            moment_in(zone, datetime.fromisoformat(typed), is_end=True)
    for at in (FIRST, LAST - timedelta(minutes=1)):
        assert moment_in(zone, at.astimezone(zone).replace(tzinfo=None), is_end=True) == at


def test_of_a_time_that_clocks_show_twice_an_end_is_the_later_and_a_beginning_the_earlier() -> None:
    typed = datetime.fromisoformat("2026-10-25T02:30")
    assert moment_in(BERLIN, typed, is_end=True) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert moment_in(BERLIN, typed, is_end=False) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_time_that_clocks_skip_is_refused() -> None:
    with pytest.raises(ValueError, match="Clocks in Europe/Berlin skip this time"):
        moment_in(BERLIN, datetime.fromisoformat("2027-03-28T02:30"), is_end=False)
