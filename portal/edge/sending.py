"""Send a response within a deadline, so that a client that does not read it cannot hold resources for long."""

import asyncio
import time
from collections.abc import AsyncIterator

from portal.edge.byte_budget import BUDGET
from portal.edge.request_body import Message, Receive, Send

PIECE_BYTES = 64 * 1024
PIECE_WITHIN_S = 10.0  # a client that takes longer for 64 KiB is disconnected
STREAM_WITHIN_S = 120.0


class ReaderTooSlow(Exception):
    """The client reads too slowly. The rest of the response is dropped, and the server closes the connection."""


class ReaderGone(Exception):
    """The client closed the connection."""


async def send_large(start: Message, body: bytes, send: Send, *, address: str | None) -> None:
    """Send a response larger than one piece; raise OverBudget before the first byte, or ReaderTooSlow.

    A small body fits into the kernel's buffers. The server would keep a large one in memory until it is read, so a
    large body is sent piece by piece and counts against the byte budget meanwhile.
    """
    BUDGET.take(address, len(body))
    try:
        await send(start)
        for begin in range(0, len(body), PIECE_BYTES):
            await _send_piece(body[begin : begin + PIECE_BYTES], send)
        await send({"type": "http.response.body", "body": b""})
    finally:
        BUDGET.give_back(address, len(body))


async def send_stream(start: Message, pieces: AsyncIterator[bytes], send: Send, *, receive: Receive) -> None:
    """Send pieces as they are made; the next is made only after the client took the last one.

    Raises ReaderTooSlow or ReaderGone. Call it after the request's body has been read.
    """
    until = time.monotonic() + STREAM_WITHIN_S
    # After the client closed the connection, the server accepts and drops pieces as fast as they are made.
    gone = asyncio.ensure_future(receive())
    try:
        await send(start)
        async for piece in pieces:
            await _send_piece(piece, send)
            if gone.done():
                raise ReaderGone
            if time.monotonic() > until:
                raise ReaderTooSlow
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _send_piece(piece: bytes, send: Send) -> None:
    try:
        async with asyncio.timeout(PIECE_WITHIN_S):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        raise ReaderTooSlow from None
