"""The least that a server can do with the same request: read the body, answer a constant of the same size."""

import os

from portal.edge.request_body import Receive, Scope, Send

ANSWER = b"x" * int(os.environ.get("BARE_BYTES", "400"))
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
