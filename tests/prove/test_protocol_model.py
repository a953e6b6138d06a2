"""The protocol with each fault, and with a second loader: every reachable state."""

from collections.abc import Callable

import pytest

from tests.support.validation.protocol_model import FAULTS, Scenario, explore

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_no_order_of_steps_and_faults_serves_what_was_before_the_change(
    fault: str, prove: Callable[[str], None]
) -> None:
    explored = explore(Scenario(frozenset({fault})))
    prove(f"protocol, {fault}: {explored.states:,} states, {'violated' if explored.trace else 'holds'}")
    assert explored.trace == ()
