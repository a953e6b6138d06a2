"""Rate limits and quotas as rows of a form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.rules.field_rules import MAX_QUOTA, MAX_RATE, MAX_RATE_LIMITS, MAX_WINDOW_S, REFILLS, QuotaLimit, RateLimit
from keys.rules.limit_rows import (
    parse_quota_rows,
    parse_rate_limit_rows,
    quota_rows,
    rate_limit_rows,
    window_words,
)
from portal.fields import Rows

names = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True) | st.just("default")
limits = st.builds(RateLimit, name=names, limit=st.integers(1, MAX_RATE), window_s=st.integers(1, MAX_WINDOW_S))
quotas = st.builds(QuotaLimit, limit=st.integers(1, MAX_QUOTA), refill=st.sampled_from(REFILLS))


@given(st.lists(limits, max_size=MAX_RATE_LIMITS, unique_by=lambda limit: limit["name"]))
def test_any_limits_come_back_from_their_rows(some: list[RateLimit]) -> None:
    assert parse_rate_limit_rows(rate_limit_rows(some)) == some


@given(st.none() | quotas)
def test_any_quota_comes_back_from_its_row(quota: QuotaLimit | None) -> None:
    assert parse_quota_rows(quota_rows(quota)) == quota


def test_a_number_may_be_grouped_as_our_pages_group_it() -> None:
    assert parse_rate_limit_rows(Rows([(" 10,000 ", "60", "")]))[0]["limit"] == 10_000
    assert parse_quota_rows(Rows([("1,000,000", "none")])) == {"limit": 1_000_000, "refill": "none"}


def test_limits_without_names_are_called_for_their_windows() -> None:
    rows = Rows([("10", "1", ""), ("1000", "3600", " "), ("9000", "90", ""), ("20000", "86400", "daily")])
    assert [limit["name"] for limit in parse_rate_limit_rows(rows)] == ["default", "per-hour", "per-90", "daily"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("lots", "60", "")], "^Write the number of requests in digits; this is 'lots'.$"),
        ([("", "60", "burst")], "^Write the number of requests in digits.$"),
        ([("1", "60", ""), ("9" * 400, "60", "")], "^Limit 2: Write the number of requests in digits"),
        ([("1", "fortnight", "")], "^Choose one of the periods; this is 'fortnight'.$"),
        ([("0", "60", "")], "between 1 and 1,000,000 requests"),
        ([("1", "9999999", "")], "between 1 second and 31 days"),
        ([("1", "60", "Burst")], "A limit's name starts with a-z .*; this is 'Burst'.$"),
        ([("1", "60", ""), ("2", "60", "b" * 33)], "^A limit's name has at most 32 characters; this is 'b{33}'.$"),
        ([("1", "60", ""), ("2", "60", ""), ("3", "60", "")], "Two limits have the same name"),
        ([("1", "60", f"l{n}") for n in range(5)], "At most 4 limits"),
    ],
)
def test_rows_that_are_no_limits_are_told_in_the_words_of_the_form(rows: list[tuple[str, ...]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_rate_limit_rows(Rows(rows))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("lots", "day"), "^Write the number of uses in digits; this is 'lots'.$"),
        (("0", "day"), "between 1 and"),
        (("1", "hour"), "for good, for each day or for each month"),
    ],
)
def test_a_row_that_is_no_quota_is_told_in_the_words_of_the_form(row: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_quota_rows(Rows([row]))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [("1", "second"), ("60", "minute"), ("90", "90 seconds"), ("604800", "7 days"), ("0", "0"), ("soon", "soon")],
)
def test_a_window_is_described_in_the_largest_unit_that_divides_it(seconds: str, words: str) -> None:
    assert window_words(seconds) == words
