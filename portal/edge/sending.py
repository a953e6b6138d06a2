"""Send an answer within a deadline, so that a client that does not read it holds nothing for long."""

import asyncio
import time
from collections.abc import AsyncIterator

from portal.edge.byte_budget import BUDGET
from portal.edge.request_body import Message, Receive, Send

PIECE_BYTES = 64 * 1024
PIECE_WITHIN_S = 10.0  # a client that does not take 64 KiB in this time is given up
STREAM_WITHIN_S = 120.0


class ReaderTooSlow(Exception):
    """The client reads its answer too slowly. The rest is not sent, and the server closes the connection."""


class ReaderGone(Exception):
    """The client closed the connection."""


async def send_large(start: Message, body: bytes, send: Send, *, address: str | None) -> None:
    """Send an answer larger than one piece; raises OverBudget before anything is sent, or ReaderTooSlow.

    A small body goes at once, into the buffers of the kernel. The server would keep a large one in memory until it is
    read, so that one goes piece by piece and is counted meanwhile.
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
    """Send pieces as they are made, each made after the one before was taken; raises ReaderTooSlow or ReaderGone.

    Call it once the request's body has been read.
    """
    until = time.monotonic() + STREAM_WITHIN_S
    # The server takes pieces for a closed connection, as fast as they are made, and drops them.
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
