"""Many lives of keys, and long ones."""

from collections.abc import Callable

import pytest

from tests.keys.validation.test_lives import live
from tests.support import environment

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(900),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis"),
]
LIVES, STEPS = 40, 50


@pytest.mark.parametrize("processes", [1, 2])
def test_every_process_answers_what_the_model_says_after_every_step(
    processes: int, prove: Callable[[str], None]
) -> None:
    seen = live(processes=processes, lives=LIVES, steps=STEPS)
    codes = ", ".join(f"{code} {count:,}" for code, count in seen.codes.most_common())
    answers = f"{seen.changes:,} changes, {seen.codes.total():,} answers as the model says: {codes}"
    prove(f"lives of keys, {processes} cached: {answers}")
    assert len(seen.codes) >= 7
