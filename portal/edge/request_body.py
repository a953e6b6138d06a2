"""Read a request's body over ASGI within a size and a time. Nothing of it is kept where it breaks either."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from portal.edge.byte_budget import BUDGET

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

READ_WITHIN_S = 10.0
UNCOUNTED_BYTES = 8 * 1024  # the number of connections bounds them
# Taking a piece from the server costs about 0.1 ms, however small it is: a body of 64 KiB comes in 160 pieces at most.
FREE_PIECES = 32
BYTES_A_PIECE = 512  # one more piece for as many bytes


class TooLarge(Exception):
    """The body is, or says it is, larger than is read here."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class TooManyPieces(Exception):
    """The body arrives in so many small pieces that taking them costs too much."""


class ClientGone(Exception):
    """The body broke off or is not well chunked; the client may still read."""


async def read_body(receive: Receive, *, declared: bytes | None, max_bytes: int, address: str | None) -> bytes:
    """The whole body, chunked or not; raises TooLarge, TooSlow, TooManyPieces, OverBudget or ClientGone.

    ``declared`` is the ``Content-Length``, where there is one: what says that it is too large is not read at all. From
    8 KiB on, the bytes of a body that still arrives are counted for the client at ``address``.
    """
    if declared is not None and declared.isdigit() and int(declared[:20]) > max_bytes:
        raise TooLarge
    chunks: list[bytes] = []
    size, counted, is_more = 0, 0, True
    task = _watch.begin()
    try:
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge
            chunks.append(chunk)
            if len(chunks) > FREE_PIECES + size // BYTES_A_PIECE:
                raise TooManyPieces
            if size > UNCOUNTED_BYTES:
                BUDGET.take(address, size - counted)
                counted = size
            is_more = message.get("more_body", False)
    except asyncio.CancelledError:
        if not _watch.has_ended(task):
            raise
        task.uncancel()
        raise TooSlow from None
    finally:
        _watch.forget(task)
        if counted:
            BUDGET.give_back(address, counted)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Watch:
    """Ends the readings that take too long, with one timer for all: a timer each costs more than most readings do."""

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[Any], float] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # where a look is due

    def begin(self) -> "asyncio.Task[Any]":
        """Watch the running task until it is forgotten."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read in a task")
        self._until[task] = time.monotonic() + READ_WITHIN_S
        if self._loop is not (loop := task.get_loop()):
            self._loop = loop
            self._look_later(loop)
        return task

    def has_ended(self, task: "asyncio.Task[Any]") -> bool:
        """Whether it was this watch that cancelled the task."""
        return task in self._ended

    def forget(self, task: "asyncio.Task[Any]") -> None:
        """The task reads no more."""
        del self._until[task]
        self._ended.discard(task)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(READ_WITHIN_S / 10, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for task, until in self._until.items():
            if until <= now and task not in self._ended:
                self._ended.add(task)
                task.cancel()
        if self._loop is loop:
            self._look_later(loop)


_watch = _Watch()
