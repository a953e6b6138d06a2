"""Read snapshots by name from the database, within a deadline and off the event loop.

In a name like ``secret:<digest>``, the part before the colon is the kind of snapshot. Each kind registers a loader.
A read answers within its deadline or raises Unavailable. A hanging server never times out by itself, so the wait is
bounded here. Four threads read, over connections of their own. One owner may have 68 jobs there, and never occupies all
four threads. A job beyond that is refused at once, so that other owners do not wait for it (``turns``).
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

# Map ids (the part of a name after the colon) to the snapshots that exist: one SELECT, of committed rows only.
Loader = Callable[[Sequence[str]], Mapping[str, Snapshot]]
_loaders: dict[str, Loader] = {}
Found = TypeVar("Found")


class Unavailable(Exception):
    """No answer can be given now; the caller may try again in a second."""


class Snapshots(Protocol):
    """Interface for reading snapshots, with caches or without."""

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Return the named snapshots that exist; raises Unavailable.

        ``deadline`` is on the clock of ``time.monotonic``. A database read counts against the owner's share of the
        threads.
        """


def register_loader(kind: str, load: Loader) -> None:
    """Register the loader for one kind of snapshot."""
    _loaders[kind] = load


class DatabaseThreads:
    """The threads for database calls of the hot path, with the circuit breaker that guards them."""

    def __init__(self) -> None:
        self._threads = SharedThreads("snapshots", threads=THREADS, each=THREADS + MAX_WAITING)
        self._breaker = Breaker()
        self._is_up = True

    @property
    def is_out(self) -> bool:
        """Tell whether the breaker is open: only a probe is let through."""
        return self._breaker.is_open

    @property
    def jobs(self) -> int:
        """Count the waiting and running jobs."""
        return self._threads.jobs

    async def run(self, ask: Callable[[], Found], *, deadline: float, owner: Owner = STRANGERS) -> Found:
        """Run ``ask`` on a thread by ``deadline`` on the event loop's clock, and return its result.

        Raises Unavailable.
        """
        job = self._start(ask, owner)
        try:
            async with asyncio.timeout_at(deadline):
                found = await asyncio.wrap_future(job)
        except TimeoutError:
            if job.cancel():  # it never got a turn, so the database is not to blame
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
        if not self._breaker.try_acquire(time.monotonic()):
            raise self._unavailable("breaker")
        try:
            return self._threads.submit(owner, partial(_ask_well, ask))
        except Busy:
            raise _no_turn("busy") from None

    def _unavailable(self, reason: str, detail: str = "") -> Unavailable:
        metrics.DATABASE_REFUSALS.labels(reason).inc()
        metrics.BREAKER_OPEN.set(self._breaker.is_open)
        if self._is_up:  # log once per outage, not once per call
            self._is_up = False
            log.warning("database.does_not_answer", extra={"reason": reason, "detail": detail})
        return Unavailable(reason)


class DatabaseSnapshots:
    """Reads the database on each call, without a cache."""

    def __init__(self, threads: DatabaseThreads | None = None) -> None:
        self._threads = threads or DatabaseThreads()

    @property
    def is_out(self) -> bool:
        """Tell whether the database does not answer at the moment."""
        return self._threads.is_out

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Return the named snapshots that exist; raises Unavailable. No name takes no thread."""
        if not names:
            return {}
        return await self._threads.run(partial(load, names), deadline=deadline, owner=owner)


def _no_turn(reason: str) -> Unavailable:
    """Build the error for a call that got no thread. It says nothing about the database."""
    metrics.DATABASE_REFUSALS.labels(reason).inc()
    return Unavailable(reason)


def _ask_well(ask: Callable[[], Found]) -> Found:
    """Run ``ask`` in this thread, and retry on a new connection if the old one was dead.

    Only use shows that the server of a connection went away. The dead connection is closed, and ``ask`` runs again.
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
    """Read the named snapshots in this thread; returns those that exist."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        kind, _, identifier = name.partition(":")
        ids[kind].append(identifier)
    return {
        f"{kind}:{identifier}": snapshot
        for kind, wanted in ids.items()
        for identifier, snapshot in _loaders[kind](wanted).items()
    }
