"""Stores that die, hang, fill up or come back empty, and workers that are killed: what a live portal answers meanwhile.

Every answer comes within 2 s and is right or a 503: a key is never valid for longer than it is, whatever is down.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from json import loads
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from portal.devservices import Service, start_postgres, start_valkey
from tests import environment, live
from tests.canary import Canary
from tests.keys.validation.recorder import Writer, writers
from tests.test_recorder import place

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")
ANSWERS_WITHIN_S = 2.0  # the promise of the contract, not a measurement
RECOVERS_WITHIN_S = 20.0
TTL_S = 1


@dataclass
class Faulty:
    """A portal of two processes on servers of its own, and a writer beside it."""

    portal: live.Live
    postgres: Service = field(repr=False)
    valkey: Service = field(repr=False)
    writer: Writer = field(repr=False)
    organization: str
    api: str
    api_secret: str = field(repr=False)
    api_key: str = field(repr=False)

    def code(self, credential: str) -> str:
        """What is answered, over a new connection; no answer in time raises."""
        bearer = {"Authorization": f"Bearer {self.api_secret}"}
        url = f"{self.portal.url.replace('localhost', '127.0.0.1')}/v1/validate"
        answer = httpx.post(url, json={"credential": credential}, headers=bearer, timeout=ANSWERS_WITHIN_S)
        return str(answer.json()["code"]) if answer.status_code == httpx.codes.OK else str(answer.status_code)

    def codes(self, credential: str, *, for_s: float) -> set[str]:
        """All that is answered for a while."""
        until = time.monotonic() + for_s
        found = {self.code(credential)}
        while time.monotonic() < until:
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
        public_id, secret = self.writer.do("issue", self.organization, self.api)["made"]
        return str(public_id), str(secret)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Such a portal, for this module."""
    postgres, valkey = start_postgres(), start_valkey()
    with psycopg.connect(postgres.url.replace("/latchkey", "/postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latchkey")
    live.migrate(postgres.url)
    folder = tmp_path_factory.mktemp("faults")
    settings = {"REDIS_URL": valkey.url, "SNAPSHOT_TTL": str(TTL_S)}
    try:
        with (
            live.portal(folder, database_url=postgres.url, workers=2, **settings) as portal,
            writers(portal.environ, number=1) as (writer,),
        ):
            canary = Canary()
            demo = loads(portal.manage("demo", "--json", "--force"))
            here = place(portal, demo, canary)
            key = demo["api_key"]
            made = Faulty(portal, postgres, valkey, writer, here.organization, here.api, here.api_secret, key)
            yield made
            assert not canary.is_in(portal.log)
            assert "snapshots.load_failed" not in portal.log
    finally:
        made.valkey.stop()
        postgres.stop()


@pytest.fixture(autouse=True)
def recovered(faulty: Faulty) -> Iterator[None]:
    """Each test begins warm, and ends so."""
    faulty.recovers()
    yield
    faulty.recovers()


@contextmanager
def hung(*pids: int) -> Iterator[None]:
    """These processes neither run nor die."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tree(service: Service) -> list[int]:
    """A server and its own."""
    return [service.process.pid, *children_of(service.process.pid)]


def port_of(service: Service) -> int:
    """Where it listens."""
    return int(service.url.rsplit(":", 1)[1].split("/")[0])


def test_while_valkey_hangs_the_database_answers_and_a_revoke_is_told_as_pending(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    assert faulty.codes(secret, for_s=0.3) == {"VALID"}
    with hung(faulty.valkey.process.pid):
        assert faulty.codes(faulty.api_key, for_s=1) == {"VALID"}
        assert faulty.writer.do("revoke", key)["is_pending"]
        time.sleep(1)  # by now no process has a lease
        assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}


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


def test_a_full_valkey_slows_changes_and_makes_no_answer_wrong(faulty: Faulty) -> None:
    key, secret = faulty.issue()
    with redis.Redis.from_url(faulty.valkey.url) as valkey:
        valkey.config_set("maxmemory", "1")
        try:
            assert faulty.codes(secret, for_s=1) == {"VALID"}
            assert not faulty.writer.do("revoke", key)["is_pending"]
            assert faulty.codes(secret, for_s=0.5) == {"REVOKED"}
        finally:
            valkey.config_set("maxmemory", "0")


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


def test_when_a_worker_is_killed_the_other_answers_and_a_new_one_comes(faulty: Faulty) -> None:
    workers = set(children_of(faulty.portal.process.pid))
    os.kill(next(iter(workers)), signal.SIGKILL)
    give_up_at = time.monotonic() + 10
    while len(alive := set(children_of(faulty.portal.process.pid)) - workers) < 1:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    assert alive
    assert faulty.codes(faulty.api_key, for_s=1) == {"VALID"}
