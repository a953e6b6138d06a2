"""The protocol with faults and more loaders, and on a finer clock: every reachable state."""

from collections.abc import Callable

import pytest

from tests.keys.validation.protocol_model import Scenario, explore

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]
FAULTS = ["second loader", "cut off", "copy evicted", "register evicted", "flushed", "restarted empty", "dumped"]


@pytest.mark.parametrize(
    "scenario",
    [
        *(pytest.param(Scenario(frozenset({fault})), id=fault) for fault in FAULTS),
        pytest.param(Scenario(frozenset({"cut off", "flushed"})), id="cut off, flushed"),
        pytest.param(Scenario(frozenset({"cut off", "dumped"})), id="cut off, dumped"),
        pytest.param(Scenario(frozenset({"second loader", "dumped"})), id="second loader, dumped"),
        pytest.param(Scenario(use=4, row=6), id="finer clock"),
    ],
)
def test_no_order_of_steps_and_faults_serves_what_was_before_the_change(
    scenario: Scenario, prove: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    explored = explore(scenario)
    prove(
        f"protocol, {request.node.callspec.id}: {explored.states:,} states, {'violated' if explored.trace else 'holds'}"
    )
    assert explored.trace == ()
