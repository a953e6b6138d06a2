"""Which secrets end when one is added."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.rules.rolling import Light, WorkingSecret, light_of, plan_roll

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_only_secret_gets_the_overlap() -> None:
    assert plan_roll([WorkingSecret("a", None, True)], overlap=HOUR, expires_at=None, now=NOW) == {"a": NOW + HOUR}


def test_an_overlap_never_outlives_the_key() -> None:
    ends = plan_roll([WorkingSecret("a", None, True)], overlap=HOUR, expires_at=NOW + HOUR / 2, now=NOW)
    assert ends == {"a": NOW + HOUR / 2}


def test_a_newest_secret_that_nobody_used_ends_and_the_older_keeps_its_end() -> None:
    working = [WorkingSecret("a", NOW + 5 * HOUR, True), WorkingSecret("b", None, False)]
    assert plan_roll(working, overlap=HOUR, expires_at=None, now=NOW) == {"b": NOW}


def test_a_newest_secret_in_use_gets_the_overlap_and_the_older_ends() -> None:
    working = [WorkingSecret("a", NOW + 5 * HOUR, True), WorkingSecret("b", None, True)]
    assert plan_roll(working, overlap=HOUR, expires_at=None, now=NOW) == {"a": NOW, "b": NOW + HOUR}


def test_ending_the_old_at_once_ends_all_of_them() -> None:
    working = [WorkingSecret("a", NOW + 5 * HOUR, True), WorkingSecret("b", None, False)]
    assert plan_roll(working, overlap=timedelta(0), expires_at=None, now=NOW) == {"a": NOW, "b": NOW}


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=4),
    st.booleans(),
    st.integers(0, 720),
)
def test_at_most_one_old_secret_outlives_a_roll(
    facts: list[tuple[int, bool]], newest_used: bool, overlap_hours: int
) -> None:
    working = [WorkingSecret(str(n), NOW + hours * HOUR, used) for n, (hours, used) in enumerate(facts)]
    working.append(WorkingSecret("newest", None, newest_used))
    ends = plan_roll(working, overlap=overlap_hours * HOUR, expires_at=None, now=NOW)
    after = [ends.get(secret.id, secret.ends_at) for secret in working]
    assert sum(end is None or end > NOW for end in after) <= 1


@pytest.mark.parametrize(
    ("old_h", "new_h", "light"),
    [
        (None, None, Light.NEVER_USED),
        (None, 0, Light.NEVER_USED),
        (0, None, Light.IN_USE),
        (0.9, 0, Light.IN_USE),
        (1, None, Light.NOT_SWITCHED),
        (99, None, Light.NOT_SWITCHED),
        (1, 0, Light.QUIET),
        (23, 30, Light.QUIET),
        (24, 0, Light.SAFE),
    ],
)
def test_the_light_says_whether_an_old_secret_may_be_ended(
    old_h: float | None, new_h: float | None, light: Light
) -> None:
    old, new = (None if hours is None else NOW - hours * HOUR for hours in (old_h, new_h))
    assert light_of(old, new, now=NOW) is light
