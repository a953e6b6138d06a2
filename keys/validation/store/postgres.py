"""A connection to PostgreSQL on the event loop: prepared statements, binary answers, one round trip for a whole read.

psycopg opens the connection. Reads then ask libpq directly, through psycopg's wrapper of it: a read with psycopg's
cursors takes twice as much CPU time.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.utils import create_namedtuple_class
from django.db.utils import load_backend
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.sql import Literal
from psycopg.types.json import set_json_loads

Select = Callable[[Sequence[Any]], Any]
Rows = list[Any]

STATEMENT_MS = 1_500  # longer than the deadline of a read
# The commands that begin each session, where a session lasts. To plan anew for each array of keys would take the server
# three times as long as the read, for the same plan. The server gives up what nobody waits for: else each read that was
# given up would leave it a connection.
_SESSION = (b"SET plan_cache_mode = force_generic_plan", b"SET statement_timeout = %d" % STATEMENT_MS)
_BYTEA, _TEXT = 17, 25  # the numbers of these types in every PostgreSQL
_adapters = AdaptersMap(psycopg.adapters)
set_json_loads(msgspec.json.decode, _adapters)


class Query(NamedTuple):
    """A loader's query for the rows of some keys."""

    select: Select
    keys: Sequence[str | bytes]


class Statement(NamedTuple):
    """A compiled query. Its only parameter, if it has one, is the array of keys."""

    name: bytes
    sql: bytes
    has_keys: bool
    row: Callable[[Sequence[Any]], Any]


class QueryResult(NamedTuple):
    """The result of a query as the server sent it, not decoded yet."""

    statement: Statement
    result: PGresult


class Connection:
    """An open connection to the default database. One read at a time uses it.

    After a read that failed or was cancelled it must be closed: the rest of the answer may still be on its way.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection  # warns if it is dropped before it is closed
        self._link = connection.pgconn
        self._link.enter_pipeline_mode()
        self._transformer = Transformer(_adapters)
        self._socket = self._link.socket
        self._prepared: set[bytes] = set()
        self._results: list[PGresult] = []
        self._answer: asyncio.Future[None] | None = None
        self.has_answered = False
        self.opened_at = time.monotonic()
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def __del__(self) -> None:
        self._link.finish()

    @classmethod
    async def open(cls) -> "Connection":
        """Connect as the settings say, to the first of several hosts that will do; raises an error of psycopg's."""
        parameters = _backend().get_connection_params()
        del parameters["cursor_factory"], parameters["context"]  # Django's own
        return cls(await psycopg.AsyncConnection.connect(**parameters))

    @property
    def is_open(self) -> bool:
        """Tell whether neither side has closed it, as far as is known."""
        return self._link.status == ConnStatus.OK

    def close(self) -> None:
        """Close it at once. A second time nothing is done: the number of its socket may be another's by then."""
        socket, self._socket = self._socket, -1
        if socket < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(socket)  # libpq may have closed the socket
        loop.remove_writer(socket)
        self._link.finish()

    async def ask(self, queries: Sequence[Query]) -> list[QueryResult]:
        """Return the server's answers to the queries; raises an error of psycopg's.

        Behind a pooler in transaction mode each query goes alone and unprepared: the next one may reach another
        connection of the server.
        """
        statements = [(_statement(query.select, self._link.server_version), query.keys) for query in queries]
        if settings.DATABASE_POOLER:
            results = [result for each in statements for result in await self._exchange([each])]
        else:
            results = await self._exchange(statements)
        self.has_answered = True
        return [QueryResult(statement, result) for (statement, _), result in zip(statements, results, strict=True)]

    def rows(self, answers: Sequence[QueryResult]) -> list[Rows]:
        """Decode answers of this connection; raises an error of psycopg's for a value that Python cannot hold."""
        return [self._decode(each) for each in answers]

    def _decode(self, answer: QueryResult) -> Rows:
        self._transformer.set_pgresult(answer.result)
        return self._transformer.load_rows(0, answer.result.ntuples, answer.statement.row)

    async def _exchange(self, statements: Sequence[tuple[Statement, Sequence[str | bytes]]]) -> list[PGresult]:
        self._results = []
        self._answer = asyncio.get_running_loop().create_future()
        if not (self.has_answered or settings.DATABASE_POOLER):
            for command in _SESSION:
                self._link.send_query_params(command, [])
        for statement, keys in statements:
            self._send(statement, [_array(keys)] if statement.has_keys else [])
        self._link.pipeline_sync()
        if self._link.flush():
            asyncio.get_running_loop().add_writer(self._socket, self._send_rest)
        await self._answer
        for result in self._results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
        self._prepared.update(statement.name for statement, _ in statements)
        return [result for result in self._results if result.status == ExecStatus.TUPLES_OK]

    def _send(self, statement: Statement, parameters: Sequence[bytes]) -> None:
        formats = [Format.BINARY] * len(parameters)
        if settings.DATABASE_POOLER:
            self._link.send_query_params(statement.sql, parameters, None, formats, Format.BINARY)
            return
        if statement.name not in self._prepared:
            self._link.send_prepare(statement.name, statement.sql)
        self._link.send_query_prepared(statement.name, parameters, formats, Format.BINARY)

    def _send_rest(self) -> None:
        if not self._link.flush():
            asyncio.get_running_loop().remove_writer(self._socket)

    def _receive(self) -> None:
        """Take what has arrived. A server that goes away is noticed between reads, too."""
        try:
            self._link.consume_input()
            if self._answer is not None and self._took_all():
                self._end_wait(None)
        except psycopg.Error as exc:
            self.close()
            self._end_wait(exc)

    def _took_all(self) -> bool:
        while self.is_open and not self._link.is_busy():
            result = self._link.get_result()  # None after the results of each statement
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                return True
            if result is not None:
                self._results.append(result)
        if not self.is_open:
            raise psycopg.OperationalError("the connection was lost")
        return False

    def _end_wait(self, error: psycopg.Error | None) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)


@cache
def _statement(select: Select, server_version: int) -> Statement:
    backend = _backend()
    vars(backend)["pg_version"] = server_version  # else Django would connect to learn it
    query = select([]).query
    sql, parameters = query.get_compiler(connection=backend).as_sql()
    literals = ["$1" if isinstance(each, list) else Literal(each).as_string() for each in parameters]
    return Statement(
        name=f"{select.__module__}.{select.__qualname__}".encode(),
        sql=(sql % tuple(literals)).encode(),
        has_keys="$1" in literals,
        row=create_namedtuple_class(*query.selected)._make,
    )


def _backend() -> Any:
    configured = connections.settings[DEFAULT_DB_ALIAS]
    return load_backend(configured["ENGINE"]).DatabaseWrapper(configured, DEFAULT_DB_ALIAS)


def _array(keys: Sequence[str | bytes]) -> bytes:
    """Return the keys as an array in PostgreSQL's binary format."""
    kind = _BYTEA if isinstance(keys[0], bytes) else _TEXT
    values = [key if isinstance(key, bytes) else key.encode() for key in keys]
    head = struct.pack("!iiIii", 1, 0, kind, len(values), 1)  # one dimension, no NULL; it begins at 1
    return head + b"".join(struct.pack("!i", len(value)) + value for value in values)
