"""The breaker opens after three time-outs in a row and asks again once a second."""

from keys.validation.store.circuit_breaker import Breaker


def open_breaker() -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        assert breaker.try_acquire(10.0)
        breaker.timed_out(10.0)
    return breaker


def test_it_opens_after_three_time_outs_in_a_row() -> None:
    assert open_breaker().is_open
    assert not open_breaker().try_acquire(10.5)


def test_an_answer_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.timed_out(10.0)
        breaker.timed_out(10.0)
        breaker.answered()
    assert not breaker.is_open


def test_while_open_one_caller_a_second_is_let_through() -> None:
    breaker = open_breaker()
    assert [breaker.try_acquire(at) for at in (11.0, 11.1, 11.9, 12.0)] == [True, False, False, True]


def test_a_probe_that_is_answered_closes_it() -> None:
    breaker = open_breaker()
    assert breaker.try_acquire(11.0)
    breaker.answered()
    assert breaker.try_acquire(11.0)


def test_a_probe_that_times_out_keeps_it_open() -> None:
    breaker = open_breaker()
    assert breaker.try_acquire(11.0)
    breaker.timed_out(12.0)
    assert not breaker.try_acquire(12.5)
