"""Read snapshots by name from the database, within a deadline and off the event loop.

In a name like ``secret:<digest>``, the part before the colon is the kind of snapshot. Each kind registers a loader.
A read answers within its deadline or raises Unavailable. A hanging server never times out by itself, so the wait is
bounded here. At most four reads run at a time, over connections of their own: on PostgreSQL without threads
(``postgres``), on SQLite in four threads. One owner may have 68 reads waiting or running, and never occupies all four
connections. A read beyond that is refused at once, so that other owners do not wait for it (``turns``).
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection

from keys.validation import metrics
from keys.validation.store.circuit_breaker import Breaker
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import Snapshot

CONNECTIONS = 4
MAX_WAITING = 64
DEADLINE_S = 1.0

log = logging.getLogger(__name__)

Found = TypeVar("Found")


class Unavailable(Exception):
    """No answer can be given now; the caller may try again in a second."""


class Snapshots(Protocol):
    """Interface for reading snapshots, with caches or without."""

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Return the named snapshots that exist; raises Unavailable.

        ``deadline`` is on the clock of ``time.monotonic``. A database read counts against the owner's share of the
        connections.
        """


class DatabaseSnapshots(Snapshots, Protocol):
    """Interface for reading snapshots from the database on each call."""

    @property
    def is_out(self) -> bool:
        """Tell whether the database does not answer at the moment."""

    def close(self) -> None:
        """Close what is idle, when the process stops."""


@dataclass(frozen=True)
class Loader:
    """Loads the snapshots of one kind by their ids, the part of a name after the colon.

    ``select`` returns the query for the rows of some keys: one SELECT, compiled once, with the keys as its only
    variable. ``key`` turns an id into the key that the database knows. ``snapshots`` turns the rows into the snapshots
    that exist, by id.
    """

    select: Callable[[Sequence[Any]], Any]
    snapshots: Callable[[Sequence[Any]], Mapping[str, Snapshot]]
    key: Callable[[str], str | bytes] = str

    def __call__(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Load in this thread."""
        return self.snapshots(self.select([self.key(each) for each in ids]))


_loaders: dict[str, Loader] = {}


def register_loader(kind: str, load: Loader) -> None:
    """Register the loader for one kind of snapshot."""
    _loaders[kind] = load


def loaders_of(names: Sequence[str]) -> list[tuple[str, Loader, list[str]]]:
    """Return the kinds of the names, with the loader and the ids of each."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        kind, _, identifier = name.partition(":")
        ids[kind].append(identifier)
    return [(kind, _loaders[kind], wanted) for kind, wanted in ids.items()]


class Guard:
    """The circuit breaker of a pool, with its metrics, and a log line at the beginning and at the end of an outage."""

    def __init__(self) -> None:
        self._breaker = Breaker()
        self._is_up = True

    @property
    def is_out(self) -> bool:
        """Tell whether the breaker is open: only a probe is let through."""
        return self._breaker.is_open

    def enter(self) -> None:
        """Let a call through, or raise Unavailable."""
        if not self._breaker.try_acquire(time.monotonic()):
            raise self._unavailable("breaker")

    def answered(self) -> None:
        """Note an answer."""
        self._breaker.answered()
        metrics.BREAKER_OPEN.set(0)
        if not self._is_up:
            self._is_up = True
            log.info("database.answers_again")

    def timed_out(self) -> Unavailable:
        """Note that a call got no answer by its deadline, and return the error for it."""
        self._breaker.timed_out(time.monotonic())
        return self._unavailable("timeout")

    def failed(self, error: Exception) -> Unavailable:
        """Return the error for a call that failed in the database."""
        return self._unavailable("error", type(error).__name__)

    def no_turn(self, reason: str) -> Unavailable:
        """Return the error for a call that got no connection. It says nothing about the database."""
        metrics.DATABASE_REFUSALS.labels(reason).inc()
        return Unavailable(reason)

    def _unavailable(self, reason: str, detail: str = "") -> Unavailable:
        metrics.DATABASE_REFUSALS.labels(reason).inc()
        metrics.BREAKER_OPEN.set(self._breaker.is_open)
        if self._is_up:  # log once per outage, not once per call
            self._is_up = False
            log.warning("database.does_not_answer", extra={"reason": reason, "detail": detail})
        return Unavailable(reason)


class DatabaseThreads:
    """The threads for database calls of the hot path, with the circuit breaker that guards them."""

    def __init__(self) -> None:
        self._threads = SharedThreads("snapshots", threads=CONNECTIONS, each=CONNECTIONS + MAX_WAITING)
        self._guard = Guard()

    @property
    def is_out(self) -> bool:
        """Tell whether the database does not answer at the moment."""
        return self._guard.is_out

    @property
    def jobs(self) -> int:
        """Count the waiting and running jobs."""
        return self._threads.jobs

    async def run(self, ask: Callable[[], Found], *, deadline: float, owner: Owner = STRANGERS) -> Found:
        """Run ``ask`` on a thread by ``deadline`` on the event loop's clock, and return its result.

        Raises Unavailable.
        """
        self._guard.enter()
        try:
            job = self._threads.submit(owner, partial(_ask_well, ask))
        except Busy:
            raise self._guard.no_turn("busy") from None
        try:
            async with asyncio.timeout_at(deadline):
                found = await asyncio.wrap_future(job)
        except TimeoutError:
            if job.cancel():  # it never got a turn, so the database is not to blame
                raise self._guard.no_turn("timeout") from None
            raise self._guard.timed_out() from None
        except Error as exc:
            raise self._guard.failed(exc) from exc
        self._guard.answered()
        return found


class ThreadedSnapshots:
    """Reads the database on each call, without a cache, over threads."""

    def __init__(self) -> None:
        self._threads = DatabaseThreads()

    @property
    def is_out(self) -> bool:
        """Tell whether the database does not answer at the moment."""
        return self._threads.is_out

    @property
    def jobs(self) -> int:
        """Count the waiting and running reads."""
        return self._threads.jobs

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Return the named snapshots that exist; raises Unavailable. No name takes no thread."""
        if not names:
            return {}
        return await self._threads.run(partial(load, names), deadline=deadline, owner=owner)

    def close(self) -> None:
        """Leave the connections to their threads, which close them when they end."""


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
    return {
        f"{kind}:{identifier}": snapshot
        for kind, loader, ids in loaders_of(names)
        for identifier, snapshot in loader(ids).items()
    }
