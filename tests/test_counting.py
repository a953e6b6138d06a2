"""Calls to a live portal are counted: each once, and none lost but the last second of a process that is killed."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest
import redis

from keys.validation.usage.queue import AT_WORK, QUEUE
from keys.validation.usage.recorder import FLUSH_EVERY_S
from portal.env import BASE_DIR
from portal.operations import processes
from tests.support import environment, live
from tests.support.canary import Canary
from tests.support.devservices import Service, start_valkey
from tests.test_faults import children_of

pytestmark = [pytest.mark.prove, pytest.mark.skipif(environment.ON_SQLITE, reason="there is no worker to do without")]
WAITS_AT_MOST_S = 60.0
ASK_EVERY_S = 0.02
SLACK_S = 0.5  # for the hand-over, on a busy machine


@dataclass
class Counting:
    """A portal of two processes with a worker and a scheduler, and how many answers it has given."""

    portal: live.Live
    valkey: Service = field(repr=False)
    api_secret: str = field(repr=False)
    api_key: str = field(repr=False)
    answered: int = 0
    forgiven: int = 0  # answers whose counts may be lost
    backend: httpx.Client = field(default_factory=httpx.Client)

    def ask(self) -> float | None:
        """One validation; when it was answered, or None where whoever was asked died over it."""
        headers = {"Authorization": f"Bearer {self.api_secret}", "Connection": "close"}  # the next may reach the other
        url = f"{self.portal.url.replace('localhost', '127.0.0.1')}/v1/validate"
        try:
            answer = self.backend.post(url, json={"credential": self.api_key}, headers=headers, timeout=10)
        except httpx.TransportError:
            self.forgiven += 1  # it may have been counted
            self.answered += 1
            return None
        assert answer.json()["code"] == "VALID"
        self.answered += 1
        return time.monotonic()

    def counted(self) -> int:
        """What the tables say."""
        with psycopg.connect(self.portal.environ["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT coalesce(sum(count), 0) FROM keys_usage").fetchone()
        assert row
        return int(row[0])

    def waits_until(self, is_so: Callable[[], bool]) -> None:
        """At most a while."""
        give_up_at = time.monotonic() + WAITS_AT_MOST_S
        while not is_so():
            assert time.monotonic() < give_up_at, f"{self.counted()} of {self.answered} counted"
            time.sleep(0.1)

    def settles(self) -> None:
        """Wait until all is counted that may not be lost, and see that no more is."""
        self.waits_until(lambda: self.counted() >= self.answered - self.forgiven)
        assert self.counted() <= self.answered


@contextmanager
def worker_of(portal: live.Live) -> Iterator[None]:
    """Worker and scheduler beside the portal."""
    commands = ("worker --concurrency 1 --without-gossip --without-mingle --without-heartbeat", "beat --pidfile=")
    with (portal.folder / "worker.log").open("ab") as log:
        running = [
            processes.start(
                [sys.executable, "-m", "celery", "--app", "portal", *command.split()],
                environ=portal.environ,
                cwd=BASE_DIR,
                stdout=log,
                stderr=log,
            )
            for command in commands
        ]
    try:
        yield
    finally:
        processes.stop(*running)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counting]:
    """Such a portal, for this module; nobody works for it yet."""
    valkey, canary = start_valkey(), Canary()
    folder = tmp_path_factory.mktemp("counting")
    try:
        with (
            live.database_with_demo() as (url, demo),
            live.portal(folder, database_url=url, workers=2, REDIS_URL=valkey.url) as portal,
        ):
            for secret in (demo["api"]["secret"], demo["api_key"]):
                canary.remember(secret)
            made = Counting(portal, valkey, demo["api"]["secret"], demo["api_key"])
            with made.backend:
                yield made
            assert not canary.is_in(portal.log + (folder / "worker.log").read_text())
    finally:
        valkey.stop()


def test_with_a_worker_without_one_and_without_redis_each_answer_is_counted_once(counting: Counting) -> None:
    with redis.Redis.from_url(counting.valkey.url) as valkey:
        with worker_of(counting.portal):
            counting.waits_until(lambda: bool(valkey.exists(AT_WORK)))
            for _ in range(30):
                counting.ask()
            counting.settles()
        for _ in range(30):  # for some seconds what is counted waits for a worker that is gone
            counting.ask()
        counting.waits_until(lambda: not valkey.exists(AT_WORK))
        counting.ask()
        counting.settles()
        assert valkey.xlen(QUEUE) == 0
    os.kill(counting.valkey.process.pid, signal.SIGSTOP)
    try:
        for _ in range(10):
            counting.ask()
        counting.settles()
    finally:
        os.kill(counting.valkey.process.pid, signal.SIGCONT)
    assert counting.counted() == counting.answered


def test_a_process_that_is_killed_loses_at_most_a_second_of_counts(counting: Counting) -> None:
    victim = children_of(counting.portal.process.pid)[0]
    answered_at = []
    until = time.monotonic() + 2.5 * FLUSH_EVERY_S
    while time.monotonic() < until:
        answered_at.append(counting.ask())
        time.sleep(ASK_EVERY_S)
    killed_at = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    lost = [at for at in answered_at if at is not None and killed_at - at < FLUSH_EVERY_S + SLACK_S]
    counting.forgiven += len(lost)
    counting.waits_until(lambda: counting.ask() is not None)
    counting.settles()
