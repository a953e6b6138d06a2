"""Stores that die, hang, fill up or come back empty, and workers that are killed: what a live portal answers meanwhile.

Every answer comes within 2 s and is right or a 503: a key is never valid for longer than it is, whatever is down.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from tests.support import environment, live
from tests.support.canary import Canary
from tests.support.devservices import Service, start_postgres, start_valkey
from tests.support.refusing import refusing
from tests.support.validation.recorder import Place, Recorder, Recording, Writer, writers
from tests.support.writer import DYING
from tests.test_recorder import place

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")
ANSWERS_WITHIN_S = 2.0  # the promise of the contract, not a measurement
RECOVERS_WITHIN_S = 20.0
TTL_S = 1
ASK_EVERY_S = 0.02  # often enough to see each state, and cheap


@dataclass
class Faulty:
    """A portal of two processes on servers of its own, and a writer beside it."""

    portal: live.Live
    postgres: Service = field(repr=False)
    valkey: Service = field(repr=False)
    writers: list[Writer] = field(repr=False)
    here: Place
    there: Place
    api_key: str = field(repr=False)
    backend: httpx.Client = field(default_factory=httpx.Client)

    @property
    def writer(self) -> Writer:
        """Whoever makes the changes."""
        return self.writers[0]

    def code(self, credential: str) -> str:
        """What is answered, over a new connection; no answer in time raises."""
        headers = {"Authorization": f"Bearer {self.here.api_secret}", "Connection": "close"}
        url = f"{self.portal.url.replace('localhost', '127.0.0.1')}/v1/validate"
        answer = self.backend.post(url, json={"credential": credential}, headers=headers, timeout=ANSWERS_WITHIN_S)
        return str(answer.json()["code"]) if answer.status_code == httpx.codes.OK else str(answer.status_code)

    def codes(self, credential: str, *, for_s: float) -> set[str]:
        """All that is answered for a while."""
        until = time.monotonic() + for_s
        found = {self.code(credential)}
        while time.monotonic() < until:
            time.sleep(ASK_EVERY_S)
            found.add(self.code(credential))
        return found

    def recovers(self) -> None:
        """Wait until the key is valid again; until then, 503 and nothing else."""
        give_up_at = time.monotonic() + RECOVERS_WITHIN_S
        while (code := self.code(self.api_key)) != "VALID":
            assert code == "503"
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        self.codes(self.api_key, for_s=1)  # every process has its copies again

    def issue(self) -> tuple[str, str]:
        """A key of the demo's organization: its id and its secret."""
        public_id, secret = self.writer.do("issue", self.here.organization, self.here.api)["made"]
        return str(public_id), str(secret)

    def ends(self, key: str) -> list[datetime | None]:
        """When the key's secrets end, as they stand in the database, the oldest first."""
        query = (
            "SELECT s.ends_at FROM keys_keysecret s JOIN keys_apikey k ON k.id = s.key_id"
            " WHERE k.public_id = %s ORDER BY s.id"
        )
        with psycopg.connect(self.postgres.url) as connection:
            return [ends_at for (ends_at,) in connection.execute(query, [key])]

    def record(self, for_s: float) -> Recording:
        """What is answered in so many seconds, while credentials change."""
        return Recorder(self.portal.url, self.writers, here=self.here, there=self.there).run(for_s)


@contextmanager
def faulty_in(folder: Path, *, ttl_s: int = TTL_S) -> Iterator[Faulty]:
    """Such a portal, with the demo's organizations and APIs."""
    postgres, valkey = start_postgres(), start_valkey()
    with psycopg.connect(postgres.url.replace("/latchkey", "/postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latchkey")
    demo = live.fill_with_demo(postgres.url)
    settings = {"REDIS_URL": valkey.url, "SNAPSHOT_TTL": str(ttl_s)}
    try:
        with (
            live.portal(folder, database_url=postgres.url, workers=2, application=live.NAMED, **settings) as portal,
            writers(portal.environ) as pair,
        ):
            canary = Canary()
            here, there = place(portal, demo, canary), place(portal, demo["other"], canary)
            made = Faulty(portal, postgres, valkey, pair, here, there, demo["api_key"])
            with made.backend:
                yield made
            assert not canary.is_in(portal.log)
            assert "snapshots.load_failed" not in portal.log
    finally:
        made.valkey.stop()
        postgres.stop()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Such a portal, for this module."""
    with faulty_in(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.fixture(autouse=True)
def recovered(faulty: Faulty) -> Iterator[None]:
    """Each test begins warm, and ends so."""
    faulty.recovers()
    yield
    faulty.recovers()


@contextmanager
def hung(*pids: int) -> Iterator[None]:
    """These processes neither run nor die."""
    try:
        _send(signal.SIGSTOP, pids)
        yield
    finally:
        _send(signal.SIGCONT, pids)


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # a child of a server may end at any moment
            os.kill(pid, number)


def children_of(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tree(service: Service) -> list[int]:
    """A server and its own."""
    return [service.process.pid, *children_of(service.process.pid)]


def port_of(service: Service) -> int:
    """Where it listens."""
    return int(service.url.rsplit(":", 1)[1].split("/")[0])


def kill(pid: int) -> None:
    """Kill a process, and wait until its sockets are closed: a connection that still reaches one is reset."""
    os.kill(pid, signal.SIGKILL)
    with suppress(FileNotFoundError):
        while any(_lives(task) for task in Path(f"/proc/{pid}/task").iterdir()):  # each thread holds the sockets
            time.sleep(0.01)


def _lives(task: Path) -> bool:
    """Tell whether a thread is still there."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return (task / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@contextmanager
def locked_out(valkey: Service) -> Iterator[None]:
    """Valkey has another password than anybody knows."""
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("requirepass", "changed")
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        try:
            yield
        finally:
            client.config_set("requirepass", "")


@contextmanager
def full(valkey: Service) -> Iterator[None]:
    """Valkey takes nothing more."""
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


def refuses_writes(how: str) -> Callable[[Faulty], AbstractContextManager[None]]:
    """What makes Valkey refuse writes in that way."""
    return lambda faulty: refusing(faulty.valkey, how)


def restart_empty(faulty: Faulty) -> None:
    """Kill Valkey, and start another in its place."""
    port = port_of(faulty.valkey)
    faulty.valkey.process.kill()
    faulty.valkey.stop()
    faulty.valkey = start_valkey(port)


def test_while_valkey_hangs_the_database_answers_and_a_revoke_is_told_as_pending(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    assert faulty.codes(secret, for_s=0.3) == {"VALID"}
    with hung(faulty.valkey.process.pid):
        assert faulty.codes(faulty.api_key, for_s=1) == {"VALID"}
        assert faulty.writer.do("revoke", key)["is_pending"]
        time.sleep(1)  # by now no process has a lease
        assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}


@pytest.mark.prove
def test_valkey_killed_and_back_empty_is_not_noticed(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    assert faulty.code(secret) == "VALID"
    port = port_of(faulty.valkey)
    faulty.valkey.process.kill()
    faulty.valkey.stop()
    try:
        assert faulty.codes(secret, for_s=1) == {"VALID"}
    finally:
        faulty.valkey = start_valkey(port)
    assert faulty.codes(secret, for_s=0.5) == {"VALID"}
    assert not faulty.writer.do("revoke", key)["is_pending"]
    assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}


@pytest.mark.prove
def test_a_full_valkey_slows_changes_and_makes_no_answer_wrong(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    with full(faulty.valkey):
        assert faulty.codes(secret, for_s=1) == {"VALID"}
        assert not faulty.writer.do("revoke", key)["is_pending"]
        assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}


@pytest.mark.prove
def test_with_a_wrong_password_the_database_answers_and_a_revoke_is_told_as_pending(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    assert faulty.codes(secret, for_s=0.3) == {"VALID"}
    with locked_out(faulty.valkey):
        assert faulty.codes(faulty.api_key, for_s=0.5) == {"VALID"}
        assert faulty.writer.do("revoke", key)["is_pending"]
        time.sleep(1)  # by now no process has a lease
        assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}


@pytest.mark.prove
def test_a_locked_row_holds_up_its_change_and_no_answer(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    with psycopg.connect(faulty.postgres.url) as connection, ThreadPoolExecutor(1) as threads:
        connection.execute("SELECT FROM keys_apikey WHERE public_id = %s FOR UPDATE", [key])
        revoking = threads.submit(faulty.writer.do, "revoke", key)
        assert faulty.codes(secret, for_s=1.5 * TTL_S) == {"VALID"}
        assert not revoking.done()
        connection.rollback()
        assert not revoking.result()["is_pending"]
    assert faulty.codes(secret, for_s=0.3) == {"REVOKED"}


@pytest.mark.prove
def test_a_process_killed_over_a_roll_leaves_a_secret_that_works_and_none_in_between(faulty: Faulty) -> None:
    for step in DYING:
        survives_a_death(faulty, step, overlap_s=3600)


def survives_a_death(faulty: Faulty, step: str, *, overlap_s: int) -> str:
    """Roll and die over it, then roll again as whoever lost the answer; what the old secret answers in between."""
    key, old = faulty.issue()
    assert faulty.code(old) == "VALID"
    faulty.writer.do("roll_dying", key, overlap_s, step)
    ends = faulty.ends(key)
    assert len(ends) <= 2
    assert [end is None for end in ends] == [False, True][-len(ends) :]  # just one, the newest, goes on without end
    code = faulty.code(old)
    if overlap_s:
        assert code == "VALID"
    new = faulty.writer.do("roll", key, 3600)["made"]
    working = [end for end in faulty.ends(key) if end is None or end > datetime.now(UTC)]
    assert len(working) <= 2
    assert faulty.code(new) == "VALID"
    return code


def test_kept_copies_answer_while_postgres_hangs(faulty: Faulty) -> None:
    with hung(*tree(faulty.postgres)):
        assert faulty.codes(faulty.api_key, for_s=3 * TTL_S) == {"VALID"}


def test_without_both_stores_every_answer_is_a_503_in_time(faulty: Faulty) -> None:
    with hung(faulty.valkey.process.pid, *tree(faulty.postgres)):
        time.sleep(1)  # by now no process has a lease
        assert faulty.codes(faulty.api_key, for_s=3) == {"503"}


def test_a_stalled_worker_forgets_what_changed_meanwhile(faulty: Faulty) -> None:
    for pid in children_of(faulty.portal.process.pid):
        key, secret = faulty.issue()
        assert faulty.codes(secret, for_s=0.5) == {"VALID"}
        with hung(pid):
            assert not faulty.writer.do("revoke", key)["is_pending"]
        assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}


@pytest.mark.prove
def test_when_a_worker_is_killed_the_other_answers_and_a_new_one_comes(faulty: Faulty) -> None:
    workers = set(children_of(faulty.portal.process.pid))
    kill(next(iter(workers)))
    give_up_at = time.monotonic() + 10
    while not set(children_of(faulty.portal.process.pid)) - workers:
        assert time.monotonic() < give_up_at
        assert faulty.codes(faulty.api_key, for_s=0.1) == {"VALID"}
    assert faulty.codes(faulty.api_key, for_s=1) == {"VALID"}
