"""Read snapshots from PostgreSQL over four connections of the event loop's own, without threads.

``turns`` chooses the owner whose read runs next. A read whose connection has died is made again on another one. A
connection on which a read fails or takes too long is closed, so that no later read gets its answer.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from weakref import WeakKeyDictionary

import psycopg

from keys.validation.store.database import CONNECTIONS, MAX_WAITING, Guard, loaders_of
from keys.validation.store.postgres import Connection, Query, Rows
from keys.validation.store.threads import CONNECTED_FOR_S, Busy
from keys.validation.store.turns import STRANGERS, Owner, Turns
from keys.validation.types import Snapshot

# The errors of a prepared statement after a migration: its result has another type, or it is gone.
PLAN_OUT_OF_DATE = (psycopg.errors.FeatureNotSupported, psycopg.errors.InvalidSqlStatementName)


class PostgresSnapshots:
    """Reads PostgreSQL on each call, without a cache. Each event loop has connections of its own."""

    def __init__(self) -> None:
        self._guard = Guard()
        self._shared: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedConnections] = WeakKeyDictionary()

    @property
    def is_out(self) -> bool:
        """Tell whether the database does not answer at the moment."""
        return self._guard.is_out

    @property
    def jobs(self) -> int:
        """Count the waiting and running reads of this event loop."""
        return self._of_this_loop().jobs

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Return the named snapshots that exist; raises Unavailable. No name takes no connection."""
        if not names:
            return {}
        kinds = loaders_of(names)
        queries = [Query(loader.select, [loader.key(each) for each in ids]) for _, loader, ids in kinds]
        rows = await self._rows(queries, deadline, owner)
        return {
            f"{kind}:{identifier}": snapshot
            for (kind, loader, _), found in zip(kinds, rows, strict=True)
            for identifier, snapshot in loader.snapshots(found).items()
        }

    def close(self) -> None:
        """Close the connections that this event loop does not use at the moment."""
        self._of_this_loop().close()

    def _of_this_loop(self) -> "SharedConnections":
        loop = asyncio.get_running_loop()
        if loop not in self._shared:
            self._shared[loop] = SharedConnections()
        return self._shared[loop]

    async def _rows(self, queries: Sequence[Query], deadline: float, owner: Owner) -> list[Rows]:
        self._guard.enter()
        shared = self._of_this_loop()
        try:
            turn = shared.queue(owner)
        except Busy:
            raise self._guard.no_turn("busy") from None
        try:
            async with asyncio.timeout_at(deadline):
                rows = await shared.read(queries, owner, turn)
        except TimeoutError:
            if turn.cancelled():  # it never got a turn, so the database is not to blame
                raise self._guard.no_turn("timeout") from None
            raise self._guard.timed_out() from None
        except psycopg.Error as exc:
            raise self._guard.failed(exc) from exc
        self._guard.answered()
        return rows


class SharedConnections:
    """The connections of one event loop, which tenants share."""

    def __init__(self) -> None:
        self._turns: Turns[asyncio.Future[None]] = Turns(threads=CONNECTIONS, each=CONNECTIONS + MAX_WAITING)
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[Connection]] = set()  # of reads that were given up

    @property
    def jobs(self) -> int:
        """Count the waiting and running reads."""
        return self._turns.jobs

    def queue(self, owner: Owner) -> "asyncio.Future[None]":
        """Return the turn to wait for; raises Busy."""
        turn = asyncio.get_running_loop().create_future()
        if not self._turns.add(owner, turn):
            raise Busy
        self._begin()
        return turn

    async def read(self, queries: Sequence[Query], owner: Owner, turn: "asyncio.Future[None]") -> list[Rows]:
        """Read when it is the owner's turn; raises an error of psycopg's."""
        try:
            await turn
            return await self._read(queries)
        finally:
            if turn.cancelled():
                self._turns.withdraw(owner, turn)
            else:
                self._turns.done(owner)
                self._begin()

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _begin(self) -> None:
        while (taken := self._turns.next()) is not None:
            owner, turn = taken
            if turn.done():  # cancelled
                self._turns.done(owner)
            else:
                turn.set_result(None)

    async def _read(self, queries: Sequence[Query]) -> list[Rows]:
        while True:
            connection = self._take_idle() or await self._open()
            try:
                answers = await connection.ask(queries)
            except psycopg.Error as exc:
                is_to_blame = not connection.is_open or (connection.has_answered and isinstance(exc, PLAN_OUT_OF_DATE))
                connection.close()
                if not is_to_blame:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                self._idle.append(connection)
                return connection.rows(answers)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and time.monotonic() < connection.opened_at + CONNECTED_FOR_S:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        """Open a connection. This goes on if the read is given up: the first of several hosts may hang for longer."""
        opening = self._opening.pop() if self._opening else asyncio.create_task(Connection.open())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._opening.add(opening)
            opening.add_done_callback(self._keep)
            raise

    def _keep(self, opening: "asyncio.Task[Connection]") -> None:
        """Keep a connection whose read was given up, unless another read has it."""
        if opening not in self._opening:
            return
        self._opening.discard(opening)
        with suppress(psycopg.Error, asyncio.CancelledError):
            self._idle.append(opening.result())
