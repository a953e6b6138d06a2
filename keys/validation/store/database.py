"""Read snapshots, by name, from the database, within a deadline and off the event loop.

``secret:<digest>`` and the like: the part before the colon names a kind, and each kind registers a loader. Reading
answers within its deadline or says that it cannot: a server that hangs never times out by itself, so the waiting is
bounded on our side. Four threads read, over connections of their own. One owner has 68 places there, and never all four
threads; what finds no place is turned away at once, and the others are not kept waiting (``turns``).
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol, TypeVar

from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection

from keys.validation import metrics
from keys.validation.store.circuit_breaker import Breaker
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import Snapshot

THREADS = 4
MAX_WAITING = 64
DEADLINE_S = 1.0

log = logging.getLogger(__name__)

# Snapshots by id (a name's part after the colon), of those ids that exist: one SELECT, of committed rows.
Loader = Callable[[Sequence[str]], Mapping[str, Snapshot]]
_loaders: dict[str, Loader] = {}
Found = TypeVar("Found")


class Unavailable(Exception):
    """No answer can be given now; the caller may try again in a second."""


class Snapshots(Protocol):
    """What the engine reads through."""

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Those of the named snapshots that exist, by ``deadline`` on ``time.monotonic``; raises Unavailable.

        Reading the database takes a place of the owner's share.
        """


def register_loader(kind: str, load: Loader) -> None:
    """Say how snapshots of this kind are read from the database."""
    _loaders[kind] = load


class DatabaseThreads:
    """The threads on which the hot path asks the database, and what it says while that gives no answer."""

    def __init__(self) -> None:
        self._threads = SharedThreads("snapshots", threads=THREADS, each=THREADS + MAX_WAITING)
        self._breaker = Breaker()
        self._is_up = True

    @property
    def is_out(self) -> bool:
        """Whether only a probe is let through: for all others there is no answer at the moment."""
        return self._breaker.is_open

    @property
    def jobs(self) -> int:
        """How many calls wait or are asked."""
        return self._threads.jobs

    async def run(self, ask: Callable[[], Found], *, deadline: float, owner: Owner = STRANGERS) -> Found:
        """What ``ask`` finds, by ``deadline`` on the event loop's clock; raises Unavailable."""
        job = self._start(ask, owner)
        try:
            async with asyncio.timeout_at(deadline):
                found = await asyncio.wrap_future(job)
        except TimeoutError:
            if job.cancel():  # it waited for its turn all the time, perhaps behind others of its owner
                raise _no_turn("timeout") from None
            self._breaker.timed_out(time.monotonic())
            raise self._unavailable("timeout") from None
        except Error as exc:
            raise self._unavailable("error", type(exc).__name__) from exc
        self._breaker.answered()
        metrics.BREAKER_OPEN.set(0)
        if not self._is_up:
            self._is_up = True
            log.info("database.answers_again")
        return found

    def _start(self, ask: Callable[[], Found], owner: Owner) -> "Future[Found]":
        if not self._breaker.admits(time.monotonic()):
            raise self._unavailable("breaker")
        try:
            return self._threads.submit(owner, partial(_ask_well, ask))
        except Busy:
            raise _no_turn("busy") from None

    def _unavailable(self, reason: str, detail: str = "") -> Unavailable:
        metrics.DATABASE_REFUSALS.labels(reason).inc()
        metrics.BREAKER_OPEN.set(self._breaker.is_open)
        if self._is_up:  # once an outage, not once a call
            self._is_up = False
            log.warning("database.does_not_answer", extra={"reason": reason, "detail": detail})
        return Unavailable(reason)


class DatabaseSnapshots:
    """Reads the database on each call."""

    def __init__(self, threads: DatabaseThreads | None = None) -> None:
        self._threads = threads or DatabaseThreads()

    @property
    def is_out(self) -> bool:
        """Whether there is no answer at the moment."""
        return self._threads.is_out

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Those of the named snapshots that exist; raises Unavailable."""
        return await self._threads.run(partial(load, names), deadline=deadline, owner=owner)


def _no_turn(reason: str) -> Unavailable:
    """What a call is told that no thread took up, which says nothing about the database."""
    metrics.DATABASE_REFUSALS.labels(reason).inc()
    return Unavailable(reason)


def _ask_well(ask: Callable[[], Found]) -> Found:
    """Ask the database in this thread, on a connection that outlives no trouble.

    A connection whose server went away is found out by using it: it is dropped, and another one is tried.
    """
    give_up_at = time.monotonic() + DEADLINE_S
    close_old_connections()
    try:
        while True:
            try:
                return ask()
            except (InterfaceError, OperationalError):
                if not getattr(connection.connection, "closed", False) or time.monotonic() >= give_up_at:
                    raise
                connection.close()
    finally:
        close_old_connections()


def load(names: Sequence[str]) -> dict[str, Snapshot]:
    """The named snapshots that exist, read in this thread."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        kind, _, identifier = name.partition(":")
        ids[kind].append(identifier)
    return {
        f"{kind}:{identifier}": snapshot
        for kind, wanted in ids.items()
        for identifier, snapshot in _loaders[kind](wanted).items()
    }
