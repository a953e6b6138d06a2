"""Make the endpoints read the database in the test's own thread."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from keys.validation.store import database
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import Snapshot
from oauth.endpoints.wiring import OAuthServer
from tests.support.hot_path import using


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


def reading_here() -> AbstractContextManager[OAuthServer]:
    """In this context the endpoints read the test's own transaction, including uncommitted changes."""
    return using(snapshots=ReadsHere())
