"""What goes on while a server process serves, and what is finished when it stops; apps register, the door calls."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from django.db import close_old_connections

log = logging.getLogger(__name__)

_at_stop: list[Callable[[], None]] = []
_while_serving: list[Callable[[], Awaitable[None]]] = []
_running: list["asyncio.Future[None]"] = []


def at_stop(finish: Callable[[], None]) -> None:
    """Have this called once when the process is asked to stop, after its last answer."""
    _at_stop.append(finish)


def while_serving(run: Callable[[], Awaitable[None]]) -> None:
    """Have this run on the event loop from the first to the last answer."""
    _while_serving.append(run)


async def repeat(work: Callable[[], object], *, every_s: float, failure: str) -> None:
    """Call it in a thread, again and again. A failure is logged once a spell; the next call comes all the same."""
    is_failing = False
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(_with_fresh_connections, work)
            is_failing = False
        except Exception as exc:  # noqa: BLE001  # whatever it is, the next call may go through
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
    """Begin what was registered, on the running loop."""
    _running.extend(asyncio.ensure_future(run()) for run in _while_serving)


async def stop() -> None:
    """End what runs, then finish what was registered, the last first."""
    while _running:
        task = _running.pop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    while _at_stop:
        _at_stop.pop()()
