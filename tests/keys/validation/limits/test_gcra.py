"""A limit never admits more than it says, and a refusal spends nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keys.validation.limits.gcra import SECOND_NS, Buckets, LimitStatus
from keys.validation.types import Limit

HUNDRED_A_MINUTE = Limit("default", 100, 60)


def take(limiter: Buckets, *limits: Limit, cost: int = 1, at_s: float = 0, key: str = "key_1") -> LimitStatus:
    owned = [replace(limit, owner=key) for limit in limits]
    status = limiter.admit(owned, cost=cost, now_ns=SECOND_NS + round(at_s * SECOND_NS))
    assert status is not None
    return status


def test_the_first_call_leaves_all_but_one() -> None:
    status = take(Buckets(), HUNDRED_A_MINUTE)
    assert status == LimitStatus(replace(HUNDRED_A_MINUTE, owner="key_1"), True, 99, 0.6, 0)


def test_a_full_burst_is_admitted_and_the_next_call_waits_for_one_request() -> None:
    limiter = Buckets()
    assert all(take(limiter, HUNDRED_A_MINUTE).is_admitted for _ in range(100))
    refused = take(limiter, HUNDRED_A_MINUTE)
    assert (refused.is_admitted, refused.remaining, refused.retry_after_s) == (False, 0, 0.6)
    assert take(limiter, HUNDRED_A_MINUTE, at_s=0.6).is_admitted
    assert not take(limiter, HUNDRED_A_MINUTE, at_s=0.6).is_admitted


def test_what_a_later_limit_refuses_is_not_spent_from_an_earlier_one() -> None:
    limiter, fast, slow = Buckets(), Limit("fast", 10, 1), Limit("slow", 2, 3600)
    assert [take(limiter, fast, slow).is_admitted for _ in range(5)] == [True, True, False, False, False]
    assert take(limiter, fast, cost=0).remaining == 8


def test_the_tightest_limit_is_told() -> None:
    assert take(Buckets(), HUNDRED_A_MINUTE, Limit("burst", 5, 1)).limit.name == "burst"


def test_of_several_refusals_the_longest_wait_is_told() -> None:
    limiter, second, hour = Buckets(), Limit("second", 1, 1), Limit("hour", 1, 3600)
    take(limiter, second, hour)
    assert take(limiter, second, hour).retry_after_s == 3600


def test_a_cost_beyond_the_whole_limit_is_never_admitted_and_spends_nothing() -> None:
    limiter = Buckets()
    refused = take(limiter, HUNDRED_A_MINUTE, cost=101)
    assert (refused.is_admitted, refused.remaining) == (False, 100)
    assert 0 < refused.retry_after_s <= 60
    assert take(limiter, HUNDRED_A_MINUTE, cost=100).is_admitted


def test_looking_is_admitted_and_spends_nothing() -> None:
    limiter = Buckets()
    take(limiter, HUNDRED_A_MINUTE, cost=100)
    looked = take(limiter, HUNDRED_A_MINUTE, cost=0)
    assert (looked.is_admitted, looked.remaining, looked.reset_s) == (True, 0, 60)


def test_credentials_do_not_share_a_bucket() -> None:
    limiter, once = Buckets(), Limit("default", 1, 60)
    assert take(limiter, once, key="key_1").is_admitted
    assert take(limiter, once, key="key_2").is_admitted
    assert not take(limiter, once, key="key_1").is_admitted


def test_no_limit_has_no_status() -> None:
    assert Buckets().admit((), cost=1, now_ns=0) is None


def test_full_buckets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.validation.limits.gcra.SWEEP_AT", 10)
    limiter = Buckets()
    for number in range(100):
        take(limiter, Limit("default", 1, 1), at_s=2 * number, key=f"key_{number}")
    assert len(limiter._full_at) <= 20


@given(
    limit=st.builds(Limit, st.just("default"), st.integers(1, 1000), st.integers(1, 3600)),
    calls=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 50)), max_size=200),
)
def test_in_any_window_no_more_than_a_burst_and_the_rate_are_admitted(
    limit: Limit, calls: list[tuple[int, int]]
) -> None:
    limiter, now_ns, admitted = Buckets(), 0, []
    for wait_ms, cost in calls:
        now_ns += wait_ms * 1_000_000
        status = limiter.admit([limit], cost=cost, now_ns=now_ns)
        assert status is not None
        assert 0 <= status.remaining <= limit.limit
        if status.is_admitted:
            admitted.append((now_ns, cost))
    for first, (start_ns, _) in enumerate(admitted):
        spent = 0
        for at_ns, cost in admitted[first:]:
            spent += cost
            assert spent * limit.window_s * SECOND_NS <= (limit.window_s * SECOND_NS + at_ns - start_ns) * limit.limit
