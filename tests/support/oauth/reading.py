"""Make the endpoints read the database in the test's own thread."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from keys.validation.http import ENGINE
from keys.validation.store import database
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import Snapshot
from oauth.client_auth import CLIENTS
from oauth.endpoints.discovery import PUBLISHED
from oauth.endpoints.revocation import REVOKER
from oauth.endpoints.token import ISSUER
from oauth.status_serving import LISTS


class ReadsHere:
    """Reads in the test's own thread and transaction, so that no table has to be emptied after the test."""

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """The named snapshots that exist."""
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)  # code on an event loop would get another database connection from Django
        try:
            return database.load(names)
        finally:
            asyncio._set_running_loop(loop)


@contextmanager
def reading_here() -> Iterator[None]:
    """In this context the endpoints read the test's own transaction, including uncommitted changes."""
    with ExitStack() as stack:
        for part in (ENGINE, CLIENTS, ISSUER, REVOKER, PUBLISHED, LISTS):
            stack.enter_context(patch.object(part, "_snapshots", ReadsHere()))
        yield
