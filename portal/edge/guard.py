"""A guard between the server and Django's WSGI handler: no client can occupy one of its threads for long.

A thread gets a request only after the whole body has arrived. An ordinary response is buffered and sent after the
thread is free again. So a stalled upload, or a client that never reads, costs a coroutine and no thread. No client gets
more than its share of the threads.

A ``StreamingHttpResponse`` without ``Content-Length`` is sent piece by piece. A thread produces about 64 KiB; the next
64 KiB are produced after the client has taken these, perhaps by another thread. So the iterator must open and close
each query between two ``yield``s (no cursor and no transaction stays open), and clean up in ``finally`` or ``close``.
If a client takes less than 64 KiB in 10 s, reads for longer than 120 s, or closes the connection, the iterator is
closed.

Without the guard, a2wsgi would wait for bodies in its threads. It would also respond 500 over granian, whose
``receive`` is not a coroutine function.
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
STREAM_THREADS = 1  # two streams take turns: two busy threads would leave the event loop too little time
_STREAM = "latchkey.stream"  # the key in the scope under which a streaming response is left for the guard


def leave_streams(app: WsgiApp) -> WsgiApp:
    """Wrap the WSGI app: a streaming response is put into the scope, so that the thread is free at once."""

    def wrapped(environ: Any, start_response: Any) -> Iterable[bytes]:
        response = app(environ, start_response)
        if not isinstance(response, HttpResponseBase) or not response.streaming or "Content-Length" in response:
            return response
        if environ["REQUEST_METHOD"] == "HEAD":
            response.close()
        else:
            environ["asgi.scope"][_STREAM] = response
            close_old_connections()  # the response's own close runs in another thread
        return ()

    return wrapped


def guard(app: AsgiApp, *, max_bytes: Callable[[str], int]) -> AsgiApp:
    """Wrap the WSGI app ``app``; ``max_bytes`` returns, for a path, the largest body to accept."""
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
        except Exception:  # Django handles its views' exceptions; this one comes from the handler itself
            log.exception("page.failed", extra={"path": redact(scope["path"])})
            await _refuse(scope, send, 500, "Something went wrong on our side.")
        else:
            await _answer(scope, start, content, receive, send, address=address, streams=streams)

    return guarded


def _is_in_utf8(scope: Scope) -> bool:
    # Django looks up any codec that a charset names, even "undefined", before a middleware could catch the error.
    types = b";".join(value for name, value in scope["headers"] if name == b"content-type").lower()
    rest = _UTF_8.sub(b"", types)
    return b"charset" not in rest and b"*" not in rest


def _cleaned(scope: Scope, body: bytes) -> Scope:
    """Return the scope in a form that WSGI can represent."""
    # In a WSGI environ, X_Forwarded_For and X-Forwarded-For are the same name, and no honest client sends the first.
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name and name not in _OWN_HEADERS]
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if cookies:
        headers.append((b"cookie", b"; ".join(cookies)))  # HTTP/2 splits them; RFC 9113 §8.2.3
    headers.append((b"content-length", str(len(body)).encode()))
    query = quote_from_bytes(scope["query_string"], safe=_ALL_PRINTABLE).encode()
    return {**scope, "headers": headers, "query_string": query}


async def _ask(app: AsgiApp, scope: Scope, body: bytes) -> tuple[Message, bytes | HttpResponseBase]:
    """Return the response's start, and its body: the whole bytes or the streaming response."""
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
    except Exception:  # the response has started: its missing end tells the client that it is incomplete
        log.exception("page.broke_off", extra={"path": redact(scope["path"])})
    finally:
        if not isinstance(content, bytes):  # here, because a stream may end before its first piece is requested
            await asyncio.get_running_loop().run_in_executor(streams, content.close)


async def _send_whole(start: Message, body: bytes, send: Send, *, address: str | None) -> None:
    if len(body) > PIECE_BYTES:
        await send_large(start, body, send, address=address)
    else:
        await send(start)
        await send({"type": "http.response.body", "body": body})


async def _pieces(stream: HttpResponseBase, threads: Executor) -> AsyncGenerator[bytes, None]:
    """Yield the stream's pieces, each produced when it is requested."""
    run = partial(asyncio.get_running_loop().run_in_executor, threads)
    chunks = iter(stream)
    while piece := await run(_next_piece, chunks):
        yield piece


def _next_piece(chunks: Iterator[bytes]) -> bytes:
    """Return the next chunks, joined: at least 64 KiB except at the end, and empty after the end."""
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
