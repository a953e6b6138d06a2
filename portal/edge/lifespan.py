"""Background work while a server process serves, and final work when it stops. Apps register; the ASGI app runs it."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable

from django.db import close_old_connections

log = logging.getLogger(__name__)

_at_stop: list[Callable[[], None]] = []
_while_serving: list[Callable[[], Awaitable[None]]] = []
_running: list["asyncio.Future[None]"] = []


def at_stop(finish: Callable[[], None]) -> None:
    """Register a function to call once when the process stops, after its last response."""
    _at_stop.append(finish)


def while_serving(run: Callable[[], Awaitable[None]]) -> None:
    """Register a coroutine function to run on the event loop while the process serves."""
    _while_serving.append(run)


async def repeat(work: Callable[[], object], *, every_s: float, failure: str) -> None:
    """Call ``work`` in a thread every ``every_s`` seconds. Log only the first of several failures in a row."""
    is_failing = False
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(_with_fresh_connections, work)
            is_failing = False
        except Exception as exc:  # noqa: BLE001  # whatever the error is, the next call may succeed
            if not is_failing:
                log.warning(failure, extra={"error": type(exc).__name__})
            is_failing = True


def _with_fresh_connections(work: Callable[[], object]) -> None:
    close_old_connections()
    try:
        work()
    finally:
        close_old_connections()


def start() -> None:
    """Start all registered background work on the running loop."""
    # A full garbage collection stops every thread while it walks all objects. The objects that are there now, the code
    # and its tables, stay until the process ends: it need not walk them.
    gc.collect()
    gc.freeze()
    _running.extend(asyncio.ensure_future(run()) for run in _while_serving)


async def stop() -> None:
    """Cancel the background work, then call the registered functions, the last one first."""
    while _running:
        task = _running.pop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    while _at_stop:
        _at_stop.pop()()
