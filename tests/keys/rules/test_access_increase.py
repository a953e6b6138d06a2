"""Whether a change lets a key do more."""

from datetime import UTC, datetime, timedelta

import pytest

from keys.rules.access_increase import (
    adds_scopes,
    allows_more_networks,
    begins_earlier,
    ends_later,
    loosens_quota,
    loosens_rate_limits,
)
from keys.rules.field_rules import RateLimit, parse_quota

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def limit(requests: int, seconds: int) -> RateLimit:
    return RateLimit(name="default", limit=requests, window_s=seconds)


@pytest.mark.parametrize(
    ("before", "after", "widens"),
    [(["a"], ["a"], False), (["a", "b"], ["a"], False), (["a"], ["b"], True), ([], ["a"], True)],
)
def test_a_scope_more_widens(before: list[str], after: list[str], widens: bool) -> None:
    assert adds_scopes(before, after) is widens


@pytest.mark.parametrize(
    ("before", "after", "widens"),
    [
        ([], ["203.0.113.0/24"], False),
        (["203.0.113.0/24"], [], True),
        (["203.0.113.0/24"], ["203.0.113.7/32"], False),
        (["203.0.113.0/24"], ["203.0.112.0/23"], True),
        (["203.0.113.0/24"], ["2001:db8::/32"], True),
        (["2001:db8::/32", "203.0.113.0/24"], ["2001:db8:1::/48"], False),
        (["::/0"], ["::ffff:0:0/96"], True),
        (["203.0.113.0/24"], ["::ffff:203.0.113.0/120"], False),
        (["10.0.0.0/9", "10.128.0.0/9"], ["10.0.0.0/8"], False),
    ],
)
def test_an_address_more_widens_and_none_listed_means_any(before: list[str], after: list[str], widens: bool) -> None:
    assert allows_more_networks(before, after) is widens


@pytest.mark.parametrize(
    ("before", "after", "widens"), [(NOON, LATER, True), (NOON, None, True), (LATER, NOON, False), (None, NOON, False)]
)
def test_a_later_end_widens(before: datetime | None, after: datetime | None, widens: bool) -> None:
    assert ends_later(before, after) is widens


@pytest.mark.parametrize(
    ("before", "after", "widens"), [(LATER, NOON, True), (NOON, None, True), (NOON, LATER, False), (None, NOON, False)]
)
def test_an_earlier_beginning_widens(before: datetime | None, after: datetime | None, widens: bool) -> None:
    assert begins_earlier(before, after) is widens


@pytest.mark.parametrize(
    ("before", "after", "widens"),
    [
        ([], [limit(1, 1)], False),
        ([limit(100, 60)], [], True),
        ([limit(100, 60)], [limit(50, 60)], False),
        ([limit(100, 60)], [limit(200, 60)], True),
        ([limit(100, 60)], [limit(100, 30)], True),
        ([limit(100, 60)], [limit(100, 60), limit(5, 1)], False),
    ],
)
def test_a_raised_or_dropped_limit_widens(before: list[RateLimit], after: list[RateLimit], widens: bool) -> None:
    assert loosens_rate_limits(before, after) is widens


@pytest.mark.parametrize(
    ("before", "after", "widens"),
    [("", "10", False), ("10", "", True), ("10", "9", False), ("10", "11", True), ("10/month", "10/day", True)],
)
def test_a_raised_or_dropped_quota_widens(before: str, after: str, widens: bool) -> None:
    assert loosens_quota(parse_quota(before), parse_quota(after)) is widens
