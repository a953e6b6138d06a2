"""Stand between the server and Django's WSGI handler, so that no client can hold one of its threads.

A thread gets a request that has arrived whole. An ordinary answer is kept, and sent after the thread is free again: a
stalled upload or a reader that never reads costs a coroutine. No client takes more than a share of the threads.

A ``StreamingHttpResponse`` without ``Content-Length`` is sent piece by piece. A thread makes about 64 KiB of it; the
next 64 KiB are made after the client has taken these, perhaps by another thread. So its iterator opens and closes each
query between two ``yield``s (no cursor, no transaction stays open), and does its clean-up in ``finally`` or ``close``.
A client that takes less than 64 KiB in 10 s, reads for longer than 120 s, or closes the connection is given up: the
iterator is closed.

Without the guard, a2wsgi waits for bodies in its threads, and answers 500 over granian, whose ``receive`` is no
coroutine function.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import Any
from urllib.parse import quote_from_bytes

from django.db import close_old_connections
from django.http import HttpResponseBase

from portal.edge import not_before
from portal.edge.byte_budget import OverBudget
from portal.edge.page_threads import PagesBusy, PageThreads
from portal.edge.request_body import (
    READ_WITHIN_S,
    AsgiApp,
    ClientGone,
    Message,
    Receive,
    Scope,
    Send,
    TooLarge,
    TooManyPieces,
    TooSlow,
    read_body,
)
from portal.edge.request_ids import request_id
from portal.edge.sending import PIECE_BYTES, ReaderGone, ReaderTooSlow, send_large, send_stream
from portal.edge.settings import address_of
from portal.redaction import redact

log = logging.getLogger(__name__)

_OWN_HEADERS = {b"content-length", b"transfer-encoding", b"cookie"}
_UTF_8 = re.compile(rb";\s*charset\s*=\s*(\"?)utf-?8\1\s*(?=;|$)")
_ALL_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


WsgiApp = Callable[[Any, Any], Iterable[bytes]]
STREAM_THREADS = 1  # two streams take turns: two threads that compute leave the event loop too little
_STREAM = "latchkey.stream"  # where, in the scope, a streaming answer is left for the guard


def leave_streams(app: WsgiApp) -> WsgiApp:
    """The WSGI app, but for a streaming answer: it is left in the scope, and the thread is free."""

    def wrapped(environ: Any, start_response: Any) -> Iterable[bytes]:
        response = app(environ, start_response)
        if not isinstance(response, HttpResponseBase) or not response.streaming or "Content-Length" in response:
            return response
        if environ["REQUEST_METHOD"] == "HEAD":
            response.close()
        else:
            environ["asgi.scope"][_STREAM] = response
            close_old_connections()  # the response's own close comes in another thread
        return ()

    return wrapped


def guard(app: AsgiApp, *, max_bytes: Callable[[str], int]) -> AsgiApp:
    """The WSGI app behind ``app``; ``max_bytes`` says of a path how large a body is read there."""
    threads = PageThreads()
    streams = ThreadPoolExecutor(STREAM_THREADS, thread_name_prefix="streams")

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_in_utf8(scope):
            await _refuse(scope, send, 415, "Only UTF-8 is read here.")
            return
        address, limit = address_of(scope), max_bytes(scope["path"])
        try:
            declared = dict(scope["headers"]).get(b"content-length")
            body = await read_body(receive, declared=declared, max_bytes=limit, address=address)
            async with threads.one_for(address):
                start, content = await _ask(app, _cleaned(scope, body), body)
        except ClientGone:
            await _refuse(scope, send, 400, "The request broke off, or is not well chunked.")
        except TooManyPieces:
            await _refuse(scope, send, 400, "The request comes in too many small pieces.")
        except TooLarge:
            await _refuse(scope, send, 413, f"This is too large: at most {limit} bytes are read.")
        except TooSlow:
            await _refuse(scope, send, 408, f"The request did not arrive within {READ_WITHIN_S:.0f} seconds.")
        except (OverBudget, PagesBusy):
            await _refuse_for_now(scope, send)
        except Exception:  # Django answers what its views raise; this is the handler itself
            log.exception("page.failed", extra={"path": redact(scope["path"])})
            await _refuse(scope, send, 500, "Something went wrong on our side.")
        else:
            await _answer(scope, start, content, receive, send, address=address, streams=streams)

    return guarded


def _is_in_utf8(scope: Scope) -> bool:
    # Django would look up whatever codec a charset names, "undefined" too, before any middleware could catch it.
    types = b";".join(value for name, value in scope["headers"] if name == b"content-type").lower()
    rest = _UTF_8.sub(b"", types)
    return b"charset" not in rest and b"*" not in rest


def _cleaned(scope: Scope, body: bytes) -> Scope:
    """The scope as WSGI can hold it."""
    # X_Forwarded_For and X-Forwarded-For are one name in a WSGI environ: the first is never sent in good faith.
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name and name not in _OWN_HEADERS]
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if cookies:
        headers.append((b"cookie", b"; ".join(cookies)))  # HTTP/2 splits them; RFC 9113 §8.2.3
    headers.append((b"content-length", str(len(body)).encode()))
    query = quote_from_bytes(scope["query_string"], safe=_ALL_PRINTABLE).encode()
    return {**scope, "headers": headers, "query_string": query}


async def _ask(app: AsgiApp, scope: Scope, body: bytes) -> tuple[Message, bytes | HttpResponseBase]:
    """The answer's start, and its body: whole, or as the streaming response that it is."""
    sent: list[Message] = []

    async def receive_all() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Message) -> None:
        sent.append(message)

    await app(scope, receive_all, keep)
    start, *parts = sent
    if (stream := scope.get(_STREAM)) is not None:
        return start, stream
    return start, b"".join(part.get("body", b"") for part in parts)


async def _answer(
    scope: Scope,
    start: Message,
    content: bytes | HttpResponseBase,
    receive: Receive,
    send: Send,
    *,
    address: str | None,
    streams: Executor,
) -> None:
    try:
        start = {**start, "headers": await not_before.reached(start["headers"])}
        if isinstance(content, bytes):
            await _send_whole(start, content, send, address=address)
        else:
            async with aclosing(_pieces(content, streams)) as pieces:
                await send_stream(start, pieces, send, receive=receive)
    except OverBudget:
        await _refuse_for_now(scope, send)
    except (ReaderGone, ReaderTooSlow):
        log.info("page.given_up", extra={"path": redact(scope["path"])})
    except Exception:  # the answer has begun: without its end, the client sees that it is not whole
        log.exception("page.broke_off", extra={"path": redact(scope["path"])})
    finally:
        if not isinstance(content, bytes):  # here, since a stream may end before its first piece is asked for
            await asyncio.get_running_loop().run_in_executor(streams, content.close)


async def _send_whole(start: Message, body: bytes, send: Send, *, address: str | None) -> None:
    if len(body) > PIECE_BYTES:
        await send_large(start, body, send, address=address)
    else:
        await send(start)
        await send({"type": "http.response.body", "body": body})


async def _pieces(stream: HttpResponseBase, threads: Executor) -> AsyncGenerator[bytes, None]:
    """The stream's pieces, each made when it is asked for."""
    run = partial(asyncio.get_running_loop().run_in_executor, threads)
    chunks = iter(stream)
    while piece := await run(_next_piece, chunks):
        yield piece


def _next_piece(chunks: Iterator[bytes]) -> bytes:
    """The next chunks together, at least 64 KiB unless it is the end; empty after it."""
    piece = bytearray()
    try:
        for chunk in chunks:
            piece += chunk
            if len(piece) >= PIECE_BYTES:
                break
    finally:
        close_old_connections()
    return bytes(piece)


async def _refuse_for_now(scope: Scope, send: Send) -> None:
    await _refuse(scope, send, 503, "Very busy right now. Try again in a few seconds.", more=((b"retry-after", b"2"),))


async def _refuse(
    scope: Scope, send: Send, status: int, text: str, *, more: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    candidates = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"]
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id(candidates[0] if len(candidates) == 1 else None).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
