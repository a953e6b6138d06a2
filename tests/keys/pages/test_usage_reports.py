"""How credentials were used, as pages read it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from keys.models import ApiKey, Caller, Usage
from keys.pages import usage_reports
from portal.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
NOW = datetime(2026, 11, 20, 12, 34, tzinfo=UTC)


def used(key: ApiKey, at: datetime, count: int, code: str = "VALID") -> None:
    hour = at.replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(secret_id=key.secrets.get().public_id, key=key, hour=hour, code=code, count=count)


def test_a_window_of_24_hours_holds_the_running_hour_and_23_before(key: ApiKey, acme: Organization) -> None:
    used(key, NOW, 5)
    used(key, NOW - timedelta(hours=23), 7, "IP_DENIED")
    used(key, NOW - timedelta(hours=24), 100)
    for calls in (usage_reports.calls_of_key(key, now=NOW), usage_reports.calls_of_organization(acme, now=NOW)):
        assert (calls.total, calls.denied, calls.share_words) == (12, 7, "58.33%")


def test_nothing_asked_is_said_as_nothing(key: ApiKey, initech: Organization) -> None:
    calls = usage_reports.calls_of_organization(initech, now=NOW)
    assert (calls.total, calls.denied, calls.denied_share, calls.share_words) == (0, 0, 0.0, "None")
    assert usage_reports.first_code(key) is None


def test_days_are_those_of_utc_and_none_is_left_out(key: ApiKey, acme: Organization) -> None:
    used(key, NOW.replace(hour=0), 3)
    used(key, NOW.replace(hour=0) - timedelta(hours=1), 4, "EXPIRED")
    used(key, NOW - timedelta(days=7), 9)
    for days in (
        usage_reports.days_of_key(key, days=7, now=NOW),
        usage_reports.days_of_organization(acme, days=7, now=NOW),
    ):
        assert [day.date.day for day in days] == [14, 15, 16, 17, 18, 19, 20]
        assert [(day.allowed, day.denied, day.total) for day in days[-2:]] == [(0, 4, 4), (3, 0, 3)]
        assert sum(day.total for day in days) == 7


def test_a_chart_tells_days_before_its_subject_existed_from_days_without_calls() -> None:
    days = [usage_reports.Day(date(2026, 11, day), calls, 0) for day, calls in ((16, 2), (17, 0), (18, 0), (19, 5))]
    chart = usage_reports.day_chart("Requests", days, since=datetime(2026, 11, 18, 23, tzinfo=UTC))
    assert [(bar.name, bar.allowed) for bar in chart.bars] == [
        ("16 Nov", 2),
        ("17 Nov", None),
        ("18 Nov", 0),
        ("Today so far", 5),
    ]
    assert (chart.span, chart.caption) == ("16 Nov to 19 Nov 2026", "Requests, last 4 days")


def test_the_days_of_a_week_are_named() -> None:
    days = [usage_reports.Day(date(2026, 11, day), 1, 0) for day in range(14, 21)]
    labels = [bar.label for bar in usage_reports.day_chart("Requests", days, since=NOW).bars]
    assert labels == ["Sat 14", "Sun 15", "Mon 16", "Tue 17", "Wed 18", "Thu 19", "Today"]


def test_the_mini_bars_of_many_keys_are_one_query(
    key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    used(key, NOW, 3)
    used(key, NOW - timedelta(days=2), 4)
    with django_assert_num_queries(1):
        totals = usage_reports.totals_by_day([key], days=3, now=NOW)
    assert totals[key.pk] == [4, 0, 3]
    assert totals[0] == [0, 0, 0]


def test_callers_are_those_seen_since_latest_first(key: ApiKey) -> None:
    for minutes, address in ((5, "203.0.113.1"), (1, "203.0.113.2"), (99, "203.0.113.3")):
        Caller.objects.create(key=key, address=address, last_seen_at=NOW - timedelta(minutes=minutes))
    callers = usage_reports.callers_of_key(key, since=NOW - timedelta(hours=1))
    assert [caller.address for caller in callers] == ["203.0.113.2", "203.0.113.1"]


def test_the_first_answer_is_the_one_told(key: ApiKey) -> None:
    used(key, NOW, 1)
    used(key, NOW - timedelta(hours=2), 1, "INSUFFICIENT_SCOPE")
    assert usage_reports.first_code(key) == "INSUFFICIENT_SCOPE"
