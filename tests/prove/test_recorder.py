"""A minute each of changes and questions: warm, cold, short of memory, and with Valkey emptied or cutting us off."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from keys.validation.types import Code
from tests.support import environment
from tests.support.canary import Canary
from tests.support.oauth.recorder import TokenRecorder
from tests.support.validation.recorder import Recording, ValidationRecorder
from tests.test_recorder import Fleet, fleet_in

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(600),
    pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis"),
]
FOR_S = 60.0
DISTURBED_EVERY_S = 1.5
RACED = 100_000
VERDICTS = frozenset(map(str, Code))
ROUNDS = 200
LISTED_ROUNDS, RACED_ROUNDS = 10, 30


def while_again_and_again(act: Callable[[], None], record: Callable[[], Recording]) -> Recording:
    """Record, and meanwhile do this every so often; raises what either raises.

    This thread acts, and the recording has one of its own: a server ends with the thread that started it.
    """
    with ThreadPoolExecutor(1) as threads:
        recording = threads.submit(record)
        while not wait([recording], DISTURBED_EVERY_S).done:
            act()
        return recording.result()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for this module."""
    with fleet_in(tmp_path_factory.mktemp("recorder"), Canary()) as made:
        yield made


def keeps_the_promise(recording: Recording) -> None:
    assert recording.late == recording.back == []
    assert {code for code in recording.codes if code.startswith("5")} <= {"503"}


def test_no_answer_is_late_for_a_minute(fleet: Fleet, prove: Callable[[str], None]) -> None:
    recording = fleet.record(FOR_S)
    prove(f"recorder, warm, {FOR_S:.0f} s: {recording.figures()}")
    keeps_the_promise(recording)


def test_no_answer_about_a_token_is_late_for_a_minute(fleet: Fleet, prove: Callable[[str], None]) -> None:
    recording = fleet.record(FOR_S, kind=TokenRecorder)
    prove(f"recorder, tokens, {FOR_S:.0f} s: {recording.figures()}")
    keeps_the_promise(recording)


def test_every_process_lists_what_is_refused(fleet: Fleet, prove: Callable[[str], None]) -> None:
    longest_s = max(fleet.oauth.refuse_and_list() for _ in range(LISTED_ROUNDS))
    prove(f"refused in five ways, {LISTED_ROUNDS} times: in the list of every process after at most {longest_s:.1f} s")


def test_nothing_that_a_client_got_before_it_was_disabled_is_active(fleet: Fleet, prove: Callable[[str], None]) -> None:
    tokens = 0
    for _ in range(RACED_ROUNDS):
        changed, issues = fleet.oauth.issue_against("disable_client")
        assert {each.status for each in issues if each.started > changed["ended"]} <= {401, 429}
        active = [fleet.oauth.is_active(each.token) for each in issues if each.token]
        assert not any(active)
        tokens += len(active)
    prove(f"issuing against disabling, {RACED_ROUNDS} times: {tokens:,} tokens, none of them active afterwards")


def test_none_is_late_where_valkey_has_a_megabyte(fleet: Fleet, prove: Callable[[str], None]) -> None:
    with fleet.short_of_memory():
        recording = fleet.record(FOR_S)
    prove(f"recorder, Valkey with 1 MB, {FOR_S:.0f} s: {recording.figures()}")
    keeps_the_promise(recording)


def validations(recording: Recording) -> int:
    """How many of the answers were verdicts."""
    return sum(number for code, number in recording.codes.items() if code in VERDICTS)


def test_of_a_hundred_thousand_raced_validations_none_is_late(fleet: Fleet, prove: Callable[[str], None]) -> None:
    recordings = [fleet.record(30, kind=ValidationRecorder, pause_s=0.05)]
    while (answers := sum(map(validations, recordings))) < RACED:
        recordings.append(fleet.record(30, kind=ValidationRecorder, pause_s=0.05))
    changes = sum(len(recording.took_ms) for recording in recordings)
    late = [answer for recording in recordings for answer in recording.late]
    back = [answer for recording in recordings for answer in recording.back]
    prove(f"raced: {answers:,} validations against {changes:,} changes: {len(late)} late, {len(back)} back")
    assert late == back == []


def test_an_edit_and_a_roll_at_once_are_both_seen(fleet: Fleet, prove: Callable[[str], None]) -> None:
    answers = fleet.edit_against_roll(rounds=ROUNDS)
    prove(f"edit against roll of one key: {ROUNDS} rounds, {answers:,} answers, all of them show both")


@pytest.mark.parametrize("name", ["flushed", "cut off"])
def test_none_is_late_while_valkey_is_emptied_or_cuts_us_off(
    fleet: Fleet, prove: Callable[[str], None], name: str
) -> None:
    def disturb() -> None:
        if name == "flushed":
            fleet.valkey.flushall()
        else:
            fleet.valkey.client_kill_filter(_type="pubsub")

    recording = while_again_and_again(disturb, lambda: fleet.record(FOR_S))
    prove(f"recorder, {name} every {DISTURBED_EVERY_S} s, {FOR_S:.0f} s: {recording.figures()}")
    keeps_the_promise(recording)


def test_none_is_late_where_copies_live_a_second(tmp_path: Path, canary: Canary, prove: Callable[[str], None]) -> None:
    with fleet_in(tmp_path, canary, SNAPSHOT_TTL="1") as fleet:
        recording = fleet.record(FOR_S, pause_s=0.01)
    prove(f"recorder, cold, {FOR_S:.0f} s: {recording.figures()}")
    keeps_the_promise(recording)
