"""Rate limits in words."""

import pytest

from portal.limit_words import rate_limit_words


@pytest.mark.parametrize(
    ("limit", "window_s", "words"),
    [
        (1, 1, "1 request a second"),
        (100, 60, "100 requests a minute"),
        (5, 3600, "5 requests an hour"),
        (1_000_000, 86_400, "1,000,000 requests a day"),
        (2, 90, "2 requests in 90 s"),
        (2, 7200, "2 requests in 7,200 s"),
    ],
)
def test_a_limit_names_its_window_where_that_is_one_unit_of_time(limit: int, window_s: int, words: str) -> None:
    assert rate_limit_words(limit, window_s) == words
