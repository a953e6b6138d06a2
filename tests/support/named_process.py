"""The portal's ASGI application with a response header that names the process. Tests use it to tell processes apart."""

import os

from portal.asgi import application as front_door
from portal.edge.request_body import Receive, Scope, Send

NAME = (b"x-process", str(os.getpid()).encode())


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve as in production, and add the header."""

    async def send_named(message: Scope) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], NAME]
        await send(message)

    await front_door(scope, receive, send_named)
