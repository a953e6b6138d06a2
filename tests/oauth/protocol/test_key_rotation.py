"""When signing keys take over: at every instant, whoever verifies has the key of every token that is alive."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth.protocol.key_rotation import (
    JWKS_MAX_AGE_S,
    KEPT_AFTER,
    PUBLISHED_AHEAD,
    SIGNS_FOR,
    KeyState,
    SigningPeriod,
    dropped,
    ended,
    state,
    successor_signs_from,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LONGEST_TOKEN = timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOON - SECOND, KeyState.NEXT),
        (NOON, KeyState.ACTIVE),
        (NOON + DAY - SECOND, KeyState.ACTIVE),
        (NOON + DAY, KeyState.RETIRING),
        (NOON + 3 * DAY - SECOND, KeyState.RETIRING),
        (NOON + 3 * DAY, KeyState.RETIRED),
    ],
)
def test_a_key_is_next_then_active_then_retiring_then_retired(now: datetime, expected: KeyState) -> None:
    assert state(SigningPeriod(NOON, NOON + DAY, NOON + 3 * DAY), now=now) is expected


def test_the_first_key_signs_at_once_and_a_waiting_one_has_no_successor() -> None:
    assert successor_signs_from(None, now=NOON) == NOON
    waiting = SigningPeriod(NOON + SECOND)
    assert successor_signs_from(waiting, now=NOON, is_wanted=True) is None
    assert successor_signs_from(SigningPeriod(NOON), now=NOON + SIGNS_FOR - PUBLISHED_AHEAD - SECOND) is None
    assert successor_signs_from(SigningPeriod(NOON), now=NOON + SIGNS_FOR - PUBLISHED_AHEAD) == NOON + SIGNS_FOR
    assert successor_signs_from(SigningPeriod(NOON), now=NOON, is_wanted=True) == NOON + PUBLISHED_AHEAD


@given(st.lists(st.tuples(st.integers(1, 40 * 24), st.booleans()), min_size=1, max_size=30))
def test_a_key_is_published_before_it_signs_and_kept_until_its_last_token_is_over(
    runs: list[tuple[int, bool]],
) -> None:
    """Whenever rotations run, however late: JK4."""
    keys, published, now = [SigningPeriod(NOON)], [NOON], NOON
    for hours_later, is_wanted in runs:
        now += timedelta(hours=hours_later)
        begins = successor_signs_from(keys[-1], now=now, is_wanted=is_wanted)
        if begins:
            keys[-1] = ended(keys[-1], at=begins)
            keys.append(SigningPeriod(begins))
            published.append(now)
    for number, (key, since) in enumerate(zip(keys, published, strict=True)):
        if number:
            assert key.signs_from - since >= timedelta(seconds=JWKS_MAX_AGE_S) + timedelta(hours=2)
            assert key.signs_from == keys[number - 1].signs_until  # one signs at every instant, and one alone
        if key.signs_until and key.kept_until:
            assert key.kept_until - key.signs_until > LONGEST_TOKEN
    assert PUBLISHED_AHEAD < SIGNS_FOR
    assert KEPT_AFTER > LONGEST_TOKEN


@pytest.mark.parametrize(
    "span", [SigningPeriod(NOON - DAY), SigningPeriod(NOON + DAY), ended(SigningPeriod(NOON - 2 * DAY), at=NOON - DAY)]
)
def test_a_dropped_key_is_retired_at_once(span: SigningPeriod) -> None:
    gone = dropped(span, now=NOON)
    assert state(gone, now=NOON) is KeyState.RETIRED
    assert gone.signs_until
    assert gone.signs_from <= gone.signs_until <= NOON
