"""Whatever the database does, a reader is answered or turned away in time, over threads and without them."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from keys.validation.store import connections, database
from keys.validation.store.connections import PostgresSnapshots
from keys.validation.store.database import CONNECTIONS, MAX_WAITING, Loader, ThreadedSnapshots, Unavailable
from keys.validation.store.postgres import Query
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import OrganizationSnapshot, Snapshot

ACME = OrganizationSnapshot(organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=False)
Store = ThreadedSnapshots | PostgresSnapshots


class Database:
    """The rows of a database, and how it answers: both forms of access ask it in place of a server."""

    def __init__(self) -> None:
        self.ids = {"org_1"}
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.is_locked = False
        self.asked = 0
        self.closed = 0

    def select(self, ids: Sequence[str]) -> list[str]:
        """Return the rows that a thread reads."""
        self.asked += 1
        self.goes_on.wait(30)
        if self.is_locked:
            raise OperationalError("database is locked")
        return [each for each in ids if each in self.ids]

    async def open(self) -> "Database":
        """Return a connection to it: itself."""
        return self

    is_open, has_answered, opened_at = True, False, float("inf")

    async def ask(self, queries: Sequence[Query]) -> list[Any]:
        """Return the rows that a connection reads."""
        self.asked += 1
        while not self.goes_on.is_set():  # noqa: ASYNC110  # a thread sets it in the other form
            await asyncio.sleep(0.001)
        if self.is_locked:
            raise psycopg.OperationalError("the database is locked")
        return [[each for each in query.keys if each in self.ids] for query in queries]

    def rows(self, answers: list[Any]) -> list[Any]:
        """Return the rows, which need no decoding here."""
        return answers

    def close(self) -> None:
        """Count it."""
        self.closed += 1


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database, which has one organization."""
    made = Database()

    def snapshots(rows: Sequence[str]) -> Mapping[str, Snapshot]:
        return dict.fromkeys(rows, ACME)

    monkeypatch.setitem(database._loaders, "org", Loader(made.select, snapshots))
    monkeypatch.setattr(database, "close_old_connections", lambda: None)  # these tests have no server
    monkeypatch.setattr(connections, "Connection", made)
    yield made
    made.goes_on.set()


@pytest.fixture
def hung(there: Database) -> threading.Event:
    """A database that does not answer until the event is set."""
    there.goes_on.clear()
    return there.goes_on


@pytest.fixture(params=[ThreadedSnapshots, PostgresSnapshots])
def make_store(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Makes what reads it: over threads, or over connections of the event loop's own."""
    made: Callable[[], Store] = request.param
    return made


async def read(store: Store, *, within_s: float = 5.0, owner: Owner = STRANGERS) -> str:
    """What became of one read: ``ok``, or the reason for which there is no answer."""
    try:
        await store.read(["org:org_1"], deadline=asyncio.get_running_loop().time() + within_s, owner=owner)
    except Unavailable as exc:
        return str(exc)
    return "ok"


async def read_many(store: Store, number: int, *, within_s: float) -> list[str]:
    return await asyncio.gather(*(read(store, within_s=within_s) for _ in range(number)))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # threads have no event for it
            await asyncio.sleep(0)


def asked(store: Store, number: int, **options: Any) -> list["asyncio.Task[str]"]:
    """So many reads that have begun."""
    return [asyncio.create_task(read(store, within_s=30, **options)) for _ in range(number)]


def test_what_exists_is_found_by_name(there: Database, make_store: Callable[[], Store]) -> None:
    async def scenario() -> Mapping[str, Snapshot]:
        deadline = asyncio.get_running_loop().time() + 5
        return await make_store().read(["org:org_1", "org:org_2"], deadline=deadline)

    assert asyncio.run(scenario()) == {"org:org_1": ACME}


def test_a_database_that_hangs_is_given_up_at_the_deadline(
    hung: threading.Event, make_store: Callable[[], Store]
) -> None:
    assert asyncio.run(read(make_store(), within_s=0.01)) == "timeout"


def test_beyond_those_that_may_wait_callers_are_turned_away_at_once(
    hung: threading.Event, make_store: Callable[[], Store]
) -> None:
    async def scenario() -> list[str]:
        store = make_store()
        waiting = asked(store, CONNECTIONS + MAX_WAITING)
        await asyncio.sleep(0)
        turned_away = await read(store)
        hung.set()
        return [turned_away, *await asyncio.gather(*waiting)]

    assert asyncio.run(scenario()) == ["busy", *["ok"] * (CONNECTIONS + MAX_WAITING)]


def test_an_owner_whose_reads_hang_leaves_a_connection_to_others(
    hung: threading.Event, there: Database, make_store: Callable[[], Store]
) -> None:
    async def scenario() -> list[str]:
        store = make_store()
        flood = asked(store, CONNECTIONS + MAX_WAITING, owner=Owner("org_acme"))
        await until(lambda: there.asked >= CONNECTIONS - 1)
        await asyncio.sleep(0.01)
        assert there.asked == CONNECTIONS - 1
        [other] = asked(store, 1, owner=Owner("org_initech"))
        await until(lambda: there.asked == CONNECTIONS)
        hung.set()
        return [await other, *await asyncio.gather(*flood)]

    assert set(asyncio.run(scenario())) == {"ok"}


def test_three_time_outs_open_the_breaker(hung: threading.Event, make_store: Callable[[], Store]) -> None:
    async def scenario() -> list[str]:
        store = make_store()
        return [*await read_many(store, 3, within_s=0.01), await read(store)]

    assert asyncio.run(scenario()) == ["timeout", "timeout", "timeout", "breaker"]


def test_calls_that_wait_behind_others_of_their_owner_open_no_breaker(
    hung: threading.Event, make_store: Callable[[], Store]
) -> None:
    async def scenario() -> list[str]:
        store = make_store()
        running = asked(store, CONNECTIONS - 1)
        await asyncio.sleep(0)
        waited = await read_many(store, 5, within_s=0.01)
        assert not store.is_out
        hung.set()
        return [*waited, *await asyncio.gather(*running)]

    assert asyncio.run(scenario()) == ["timeout"] * 5 + ["ok"] * (CONNECTIONS - 1)


def test_a_database_that_answers_again_is_asked_again(
    hung: threading.Event, make_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.validation.store.circuit_breaker.OPEN_FOR_S", 0.0)

    async def scenario() -> list[str]:
        store = make_store()
        await read_many(store, 3, within_s=0.01)
        hung.set()
        return [await read(store), await read(store)]

    assert asyncio.run(scenario()) == ["ok", "ok"]


def test_callers_that_gave_up_leave_no_work_behind(hung: threading.Event, make_store: Callable[[], Store]) -> None:
    async def scenario() -> int:
        store = make_store()
        assert await read_many(store, CONNECTIONS + 10, within_s=0.01) == ["timeout"] * (CONNECTIONS + 10)
        return store.jobs

    left = CONNECTIONS - 1 if make_store is ThreadedSnapshots else 0  # a thread goes on with what it asks
    assert asyncio.run(scenario()) == left


def test_a_locked_database_is_no_answer(there: Database, make_store: Callable[[], Store]) -> None:
    there.is_locked = True
    assert asyncio.run(read(make_store())) == "error"


def test_no_connection_is_kept_on_which_an_answer_may_still_come(hung: threading.Event, there: Database) -> None:
    async def scenario() -> list[str]:
        store = PostgresSnapshots()
        given_up = asked(store, 2)
        await until(lambda: there.asked == 2)
        given_up[1].cancel()
        early = await read(store, within_s=0.01)
        hung.set()
        return [early, await given_up[0]]

    assert asyncio.run(scenario()) == ["timeout", "ok"]
    assert there.closed == 2
