"""The protocol with each fault, and with a second loader: every reachable state."""

from collections.abc import Callable

import pytest

from tests.keys.validation.protocol_model import Scenario, explore

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]
FAULTS = ["second loader", "cut off", "register evicted", "flushed", "restarted empty", "dumped"]


@pytest.mark.parametrize("fault", FAULTS)
def test_no_order_of_steps_and_faults_serves_what_was_before_the_change(
    fault: str, prove: Callable[[str], None]
) -> None:
    explored = explore(Scenario(frozenset({fault})))
    prove(f"protocol, {fault}: {explored.states:,} states, {'violated' if explored.trace else 'holds'}")
    assert explored.trace == ()
