"""Every fault while credentials change and are asked about, and two hundred deaths over a roll."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from random import Random

import pytest

from tests.prove.test_recorder import while_again_and_again
from tests.support import environment
from tests.support.refusing import REFUSALS
from tests.support.writer import DYING
from tests.test_faults import Faulty, faulty_in, full, hung, locked_out, refuses_writes, restart_empty, tree
from tests.test_faults import survives_a_death as survives

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(600),
    pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis"),
]
FOR_S = 20.0
FAULT_S = 1.5
TTL_S = 10
DEATHS = 200
FAULTS: dict[str, Callable[[Faulty], AbstractContextManager[None]]] = {
    "Valkey hung": lambda faulty: hung(faulty.valkey.process.pid),
    "Valkey full": lambda faulty: full(faulty.valkey),
    **{f"Valkey {how}": refuses_writes(how) for how in REFUSALS},
    "another password": lambda faulty: locked_out(faulty.valkey),
    "PostgreSQL hung": lambda faulty: hung(*tree(faulty.postgres)),
    "both hung": lambda faulty: hung(faulty.valkey.process.pid, *tree(faulty.postgres)),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """A portal on servers of its own, whose copies outlive each fault, for this module."""
    with faulty_in(tmp_path_factory.mktemp("faults"), ttl_s=TTL_S) as made:
        yield made


@pytest.mark.parametrize("name", [*FAULTS, "Valkey killed and back empty"])
def test_nothing_is_late_and_nothing_breaks(faulty: Faulty, name: str, prove: Callable[[str], None]) -> None:
    def befall() -> None:
        if name not in FAULTS:
            restart_empty(faulty)
            return
        with FAULTS[name](faulty):
            time.sleep(FAULT_S)

    faulty.recovers()
    recording = while_again_and_again(befall, lambda: faulty.record(FOR_S))
    prove(f"{name} again and again, {FOR_S:.0f} s: {recording.figures()}")
    assert recording.late == recording.back == []
    assert {code for code in recording.codes if code.startswith("5")} <= {"503"}
    assert recording.codes["VALID"]
    if name not in {"PostgreSQL hung", "both hung"}:  # else the database answers; but for whom a busy machine delays
        assert recording.codes["503"] * 100 < recording.codes.total()


def test_two_hundred_deaths_over_a_roll_always_leave_a_working_secret(
    faulty: Faulty, prove: Callable[[str], None]
) -> None:
    faulty.recovers()
    random = Random()  # noqa: S311  # nothing secret: when it dies
    codes = Counter(
        survives(faulty, random.choice(list(DYING)), overlap_s=random.choice([0, 3600])) for _ in range(DEATHS)
    )
    prove(f"{DEATHS} processes killed over a roll: then the old secret was {dict(codes)}, none without one that works")
    assert set(codes) <= {"VALID", "SUPERSEDED"}
