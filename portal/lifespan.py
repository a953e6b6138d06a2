"""What goes on while a server process serves, and what is finished when it stops; apps register, the door calls."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

_at_stop: list[Callable[[], None]] = []
_while_serving: list[Callable[[], Awaitable[None]]] = []
_running: list["asyncio.Future[None]"] = []


def at_stop(finish: Callable[[], None]) -> None:
    """Have this called once when the process is asked to stop, after its last answer."""
    _at_stop.append(finish)


def while_serving(run: Callable[[], Awaitable[None]]) -> None:
    """Have this run on the event loop from the first to the last answer."""
    _while_serving.append(run)


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
