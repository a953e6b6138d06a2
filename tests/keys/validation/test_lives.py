"""Whatever is done to keys, in whatever order, cached processes answer what a small model says after every step."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support import environment
from tests.support.validation.lives import Lives, World, world

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis"),
]


def live(*, processes: int, lives: int, steps: int) -> World:
    """Lead so many lives; what was seen."""
    with world(processes) as seen:
        machine = type("LivesHere", (Lives,), {"world": seen})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=lives,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    return seen


@pytest.mark.parametrize("processes", [1, 2])  # one asks itself again; with two, each has to know of the other's
def test_every_process_answers_what_the_model_says_after_every_step(processes: int) -> None:
    # What lives hold is hypothesis's to choose, and five may hold nothing.
    assert any(live(processes=processes, lives=5, steps=25).changes for _ in range(5))
