"""Read a request's body over ASGI within limits of size and time. A body that exceeds a limit is dropped."""

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
UNCOUNTED_BYTES = 8 * 1024  # the limit on connections already bounds these bytes
# Receiving a piece costs about 0.1 ms, however small it is. A body of 64 KiB may come in at most 160 pieces.
FREE_PIECES = 32
BYTES_A_PIECE = 512  # one more piece is allowed for this many bytes


class TooLarge(Exception):
    """The body is, or is declared to be, larger than the endpoint accepts."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class TooManyPieces(Exception):
    """The body arrives in so many small pieces that receiving them costs too much."""


class ClientGone(Exception):
    """The body is incomplete or badly chunked; the client may still read the response."""


async def read_body(receive: Receive, *, declared: bytes | None, max_bytes: int, address: str | None) -> bytes:
    """Return the whole body, chunked or not; raise TooLarge, TooSlow, TooManyPieces, OverBudget or ClientGone.

    ``declared`` is the ``Content-Length``, if there is one; a body that is declared too large is not read at all.
    Beyond 8 KiB, the bytes of an incomplete body are counted for the client at ``address``.
    """
    if declared is not None and declared.isdigit() and int(declared[:20]) > max_bytes:
        raise TooLarge
    chunks: list[bytes] = []
    size, counted, is_more = 0, 0, True
    task = _deadlines.begin()
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
        if not _deadlines.has_ended(task):
            raise
        task.uncancel()
        raise TooSlow from None
    finally:
        _deadlines.forget(task)
        if counted:
            BUDGET.give_back(address, counted)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _BodyDeadlines:
    """Cancel body reads that exceed the deadline.

    One timer serves all reads: a timer per read would cost more than most reads do.
    """

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[Any], float] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # the loop on which the next check is scheduled

    def begin(self) -> "asyncio.Task[Any]":
        """Start the deadline of the current task and return the task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read in a task")
        self._until[task] = time.monotonic() + READ_WITHIN_S
        if self._loop is not (loop := task.get_loop()):
            self._loop = loop
            self._look_later(loop)
        return task

    def has_ended(self, task: "asyncio.Task[Any]") -> bool:
        """Return True if this object cancelled the task."""
        return task in self._ended

    def forget(self, task: "asyncio.Task[Any]") -> None:
        """Stop watching the task."""
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


_deadlines = _BodyDeadlines()
