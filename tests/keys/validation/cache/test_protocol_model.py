"""Every order of the protocol's steps keeps the promise, and each of its rules is needed for that."""

import pytest

from tests.support.validation.protocol_model import RULES, Scenario, explore

# Where leaving a rule out is seen soonest.
SEEN_WITH = {
    "register age": "register evicted",
    "register of this run": "dumped",
    "row outlives connection": "cut off",
    "run of entry checked": "dumped",
    "run of token in entry": "dumped",
}


def test_no_order_of_stalled_steps_serves_what_was_before_the_change() -> None:
    assert explore(Scenario()).trace == ()


@pytest.mark.parametrize("rule", sorted(RULES))
def test_without_this_rule_an_old_copy_is_served(rule: str) -> None:
    faults = frozenset({SEEN_WITH[rule]} if rule in SEEN_WITH else ())
    assert explore(Scenario(faults, without=frozenset({rule}))).trace
