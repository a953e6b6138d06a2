"""Times in words: in the zone of whoever reads them, with UTC behind."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone as django_timezone

from portal.ui.markup import exact_time
from portal.ui.times import day_words, exact_words, relative_words, span_words, zone_named, zone_names

AT = datetime(2026, 12, 1, 2, 44, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "words"),
    [("UTC", "Tue 1 Dec 2026, 02:44 UTC"), ("Africa/Accra", "Tue 1 Dec 2026, 02:44 UTC"),
     ("Europe/Berlin", "Tue 1 Dec 2026, 03:44 (02:44 UTC)"), ("Asia/Kathmandu", "Tue 1 Dec 2026, 08:29 (02:44 UTC)"),
     ("America/New_York", "Mon 30 Nov 2026, 21:44 (Tue 02:44 UTC)")],
)  # fmt: skip
def test_a_time_is_told_in_the_zone_with_utc_behind_it(zone: str, words: str) -> None:
    assert exact_words(AT, ZoneInfo(zone)) == words


def test_a_day_is_that_of_the_zone() -> None:
    assert [day_words(AT, ZoneInfo(zone)) for zone in ("UTC", "America/New_York")] == ["1 Dec 2026", "30 Nov 2026"]
    assert relative_words(AT, now=datetime(2026, 1, 1, tzinfo=UTC), zone=ZoneInfo("America/New_York")) == "30 Nov 2026"


def test_any_moment_is_told_in_any_zone() -> None:
    east, west = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    for at in (last, last.replace(tzinfo=west), datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=east)):
        for zone in (UTC, ZoneInfo("Pacific/Auckland"), ZoneInfo("America/New_York")):
            assert day_words(at, zone) in relative_words(at, now=AT, zone=zone)
            assert day_words(at, zone) in exact_words(at, zone)
            with django_timezone.override(zone):
                assert exact_words(at, zone) in exact_time(at)
    assert exact_words(last, ZoneInfo("Pacific/Auckland")) == "Fri 31 Dec 9999, 23:59 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "1 s"), (7.2, "8 s"), (60, "60 s"), (61, "2 min"), (3600, "60 min"), (3601, "2 h")]
)
def test_a_wait_is_told_rounded_up(seconds: float, words: str) -> None:
    assert span_words(seconds) == words


def test_a_zone_that_this_machine_does_not_know_is_utc() -> None:
    for name in ("", "Atlantis/Poseidonis", "../etc/passwd", "\0"):
        assert zone_named(name) is UTC
    assert exact_words(AT, zone_named("Europe/Berlin")).endswith("03:44 (02:44 UTC)")


def test_people_choose_among_utc_and_places() -> None:
    assert zone_names()[0] == "UTC"
    assert {"Europe/Berlin", "America/Argentina/Buenos_Aires", "Pacific/Auckland"} <= set(zone_names())
    assert not {"Etc/GMT+5", "EST", "localtime", "posixrules"} & set(zone_names())
