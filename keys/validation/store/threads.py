"""Threads that tenants share, each with a database connection of its own.

``turns`` chooses the owner whose job runs next. A job beyond the limits is refused at once, so that all waits are
bounded.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import load_backend

from keys.validation.store.turns import Owner, Turns

CONNECTED_FOR_S = 600

Done = TypeVar("Done")
Work = tuple["Future[Any]", Callable[[], Any]]


class Busy(Exception):
    """The pool is full, or the owner's share of it."""


class SharedThreads:
    """A pool of threads. ``each`` is the number of jobs that one member may have there (see ``Turns``)."""

    def __init__(self, name: str, *, threads: int, each: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=have_own_connection)
        self._turns: Turns[Work] = Turns(threads=threads, each=each)
        self._lock = threading.Lock()

    @property
    def jobs(self) -> int:
        """Count the waiting and running jobs."""
        return self._turns.jobs

    def submit(self, owner: Owner, do: "Callable[[], Done]") -> "Future[Done]":
        """Run ``do`` when it is the owner's turn; raises Busy."""
        result: Future[Done] = Future()
        work: Work = (result, do)
        with self._lock:
            if not self._turns.add(owner, work):
                raise Busy
            self._begin()
        result.add_done_callback(lambda ended: self._withdraw(owner, work) if ended.cancelled() else None)
        return result

    def stop(self) -> None:
        """Stop the threads, and cancel the waiting jobs."""
        self._threads.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        while (turn := self._turns.next()) is not None:
            self._threads.submit(self._run, *turn)

    def _run(self, owner: Owner, work: Work) -> None:
        result, do = work
        done: Any = None
        failure: BaseException | None = None
        is_wanted = result.set_running_or_notify_cancel()
        if is_wanted:
            try:
                done = do()
            except BaseException as exc:  # noqa: BLE001  # raised to the caller who waits for the result
                failure = exc
        with self._lock:  # before the result is set: its receiver may submit the next job at once
            self._turns.done(owner)
            self._begin()
        if failure is not None:
            result.set_exception(failure)
        elif is_wanted:
            result.set_result(done)

    def _withdraw(self, owner: Owner, work: Work) -> None:
        with self._lock:
            self._turns.withdraw(owner, work)


class _OwnConnection:
    """Closes a thread's own connection when the thread has ended and its thread-locals are released."""

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper

    def __del__(self) -> None:
        self._wrapper.close()


_own = threading.local()


def have_own_connection() -> None:
    """Give this thread a database connection outside Django's pool: pages may occupy every connection of the pool."""
    configured = deepcopy(connections.settings[DEFAULT_DB_ALIAS])
    configured["OPTIONS"].pop("pool", None)
    configured |= {"CONN_MAX_AGE": CONNECTED_FOR_S, "CONN_HEALTH_CHECKS": True}
    wrapper = load_backend(configured["ENGINE"]).DatabaseWrapper(configured, DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS] = wrapper
    _own.connection = _OwnConnection(wrapper)
