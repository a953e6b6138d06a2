"""Let the endpoints of this process use parts of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from keys.validation import wiring
from keys.validation.wiring import HotPath
from oauth.endpoints import wiring as oauth_wiring
from oauth.endpoints.token import StatusIndexes
from oauth.endpoints.wiring import OAuthServer
from oauth.replays import Replays


@contextmanager
def using(
    *, replays: Replays | None = None, status_indexes: StatusIndexes | None = None, **parts: Any
) -> Iterator[OAuthServer]:
    """In this context the endpoints are wired anew, of the given parts of ``HotPath`` and else of the present ones."""
    present = oauth_wiring.server()
    server = OAuthServer(
        replace(present.hot_path, **parts), replays or present.replays, status_indexes or present.status_indexes
    )
    try:
        with serving(server):
            yield server
    finally:
        server.stop()


@contextmanager
def serving(server: OAuthServer) -> Iterator[HotPath]:
    """In this context the process has built this server, and its hot path."""
    with (
        patch.object(wiring, "hot_path", lambda: server.hot_path),
        patch.object(oauth_wiring, "server_over", lambda _: server),
    ):
        yield server.hot_path
