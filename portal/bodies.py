"""Read a request's body over ASGI within a size and a time. Nothing of it is kept where it breaks either."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

READ_WITHIN_S = 10.0


class TooLarge(Exception):
    """The body is, or says it is, larger than is read here."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class ClientGone(Exception):
    """The client went away in the middle; nobody is there to answer."""


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int) -> bytes:
    """The whole body, chunked or not; raises TooLarge (at once where the length is declared), TooSlow or ClientGone."""
    if _declared_bytes(scope) > max_bytes:
        raise TooLarge
    chunks: list[bytes] = []
    size, is_more = 0, True
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > max_bytes:
                    raise TooLarge
                chunks.append(chunk)
                is_more = message.get("more_body", False)
    except TimeoutError:
        raise TooSlow from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
