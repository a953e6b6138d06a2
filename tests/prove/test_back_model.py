"""No verdict goes back over an outage of Redis: every reachable state, with each outage."""

from collections.abc import Callable

import pytest

from tests.keys.validation.cache.test_back_model import SEEN_SOON
from tests.support.validation.back_model import OUTAGES, RULES, Scenario, explore

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("hint", ["hint", "no hint"])
def test_no_order_of_steps_shows_an_older_state(outage: str, hint: str, prove: Callable[[str], None]) -> None:
    explored = explore(Scenario(outage, without=frozenset() if hint == "hint" else frozenset({"hint"})))
    prove(
        f"going back, Redis {outage}, {hint}: {explored.states:,} states, {'goes' if explored.trace else 'never'} back"
    )
    assert explored.trace == ()


@pytest.mark.parametrize("rule", sorted(RULES.difference(SEEN_SOON)))
def test_without_this_rule_a_verdict_goes_back(rule: str) -> None:
    outage = "refuses" if rule == "row renewed before a lease" else "hung"
    assert explore(Scenario(outage, without=frozenset({rule}))).trace
