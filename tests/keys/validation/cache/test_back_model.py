"""Rules that keep verdicts from going back are needed. ``make prove`` tries those that take longer, and the whole."""

import pytest

from tests.support.validation.back_model import Scenario, explore

SEEN_SOON = [
    "a fill clears its own note only",
    "answers drop older copies",
    "noted before the answer",
    "reads are remembered",
    "shared copies under a lease",
    "writer waits for leases",
]


@pytest.mark.parametrize("rule", SEEN_SOON)
def test_without_this_rule_a_verdict_goes_back(rule: str) -> None:
    assert explore(Scenario("hung", without=frozenset({rule}))).trace
