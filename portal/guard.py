"""Stand between the server and Django's WSGI handler, so that no client can hold one of its threads.

A thread gets a request that has arrived whole, and hands back an answer that is sent after it is free again: a stalled
upload or a reader that never reads costs a coroutine. Without this, a2wsgi waits for bodies in its threads, and answers
500 over granian, whose ``receive`` is no coroutine function.
"""

import logging
import re
from urllib.parse import quote_from_bytes

from portal.bodies import (
    READ_WITHIN_S,
    AsgiApp,
    ClientGone,
    Message,
    Receive,
    Scope,
    Send,
    TooLarge,
    TooSlow,
    read_body,
)
from portal.request_ids import request_id

log = logging.getLogger(__name__)

_OWN_HEADERS = {b"content-length", b"transfer-encoding", b"cookie"}
_UTF_8 = re.compile(rb";\s*charset\s*=\s*(\"?)utf-?8\1\s*(?=;|$)")
_ALL_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def guard(app: AsgiApp, *, max_bytes: int) -> AsgiApp:
    """The WSGI app behind ``app``, with requests of at most ``max_bytes``."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_in_utf8(scope):
            await _refuse(scope, send, 415, "Only UTF-8 is read here.")
            return
        try:
            declared = dict(scope["headers"]).get(b"content-length")
            body = await read_body(receive, declared=declared, max_bytes=max_bytes)
        except ClientGone:
            return
        except TooLarge:
            await _refuse(scope, send, 413, f"This is too large: at most {max_bytes} bytes are read.")
            return
        except TooSlow:
            await _refuse(scope, send, 408, f"The request did not arrive within {READ_WITHIN_S:.0f} seconds.")
            return
        answer: list[Message] = []

        async def receive_all() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            answer.append(message)

        try:
            await app(_cleaned(scope, body), receive_all, keep)
        except Exception:  # Django answers what its views raise; this is the handler itself
            log.exception("page.failed", extra={"path": scope["path"]})
            await _refuse(scope, send, 500, "Something went wrong on our side.")
            return
        await _send_kept(answer, send)

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


async def _send_kept(answer: list[Message], send: Send) -> None:
    start, *parts = answer
    await send(start)
    await send({"type": "http.response.body", "body": b"".join(part.get("body", b"") for part in parts)})


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    candidates = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"]
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id(candidates[0] if len(candidates) == 1 else None).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
