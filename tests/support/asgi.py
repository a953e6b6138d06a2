"""Call an ASGI app directly, as a server would: one request, one response."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from portal.edge.request_body import AsgiApp, Message


@dataclass
class Reply:
    """The response that the app sent."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def __getitem__(self, name: str) -> str:
        """The header's value; fails if the header is missing or repeated."""
        (value,) = [value for each, value in self.headers if each == name]
        return value

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def ask(
    app: AsgiApp,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | list[bytes] = b"",
    query: bytes = b"",
    scheme: str = "http",
    peer: str = "127.0.0.1",
) -> Reply:
    """Send one request, with the body in one chunk or several; returns the response."""
    return asyncio.run(send(app, method, path, headers=headers, body=body, query=query, scheme=scheme, peer=peer))


async def send(
    app: AsgiApp,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | list[bytes] = b"",
    query: bytes = b"",
    scheme: str = "http",
    peer: str = "127.0.0.1",
) -> Reply:
    """Send one request like ``ask``, from within a running event loop."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    reply = Reply()

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()  # the client stays connected and sends nothing more
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
        else:
            reply.body += message.get("body", b"")

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": (peer, 40000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, keep)
    return reply
