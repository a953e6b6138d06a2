"""Whatever the database does, a reader is answered or turned away in time."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from django.db import OperationalError

from keys.validation.store import database
from keys.validation.store.database import MAX_WAITING, THREADS, DatabaseSnapshots, Unavailable
from keys.validation.types import OrganizationSnapshot, Snapshot

ACME = OrganizationSnapshot(organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=False)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[database.Loader], None]:
    """Say what the database answers."""

    def answer_with(loader: database.Loader) -> None:
        monkeypatch.setitem(database._loaders, "org", loader)

    monkeypatch.setattr(database, "close_old_connections", lambda: None)  # these tests have no database
    return answer_with


@pytest.fixture
def hung(load: Callable[[database.Loader], None]) -> Iterator[threading.Event]:
    """A database that does not answer until the event is set."""
    goes_on = threading.Event()

    def wait(ids: Sequence[str]) -> Mapping[str, Snapshot]:
        goes_on.wait(30)
        return dict.fromkeys(ids, ACME)

    load(wait)
    yield goes_on
    goes_on.set()


async def read(store: DatabaseSnapshots, *, within_s: float = 5.0) -> str:
    """What became of one read: ``ok``, or the reason for which there is no answer."""
    try:
        await store.read(["org:org_1"], deadline=asyncio.get_running_loop().time() + within_s)
    except Unavailable as exc:
        return str(exc)
    return "ok"


async def read_many(store: DatabaseSnapshots, number: int, *, within_s: float) -> list[str]:
    return await asyncio.gather(*(read(store, within_s=within_s) for _ in range(number)))


def test_what_exists_is_found_by_name(load: Callable[[database.Loader], None]) -> None:
    load(lambda ids: {each: ACME for each in ids if each == "org_1"})

    async def scenario() -> Mapping[str, Snapshot]:
        deadline = asyncio.get_running_loop().time() + 5
        return await DatabaseSnapshots().read(["org:org_1", "org:org_2"], deadline=deadline)

    assert asyncio.run(scenario()) == {"org:org_1": ACME}


def test_a_database_that_hangs_is_given_up_at_the_deadline(hung: threading.Event) -> None:
    assert asyncio.run(read(DatabaseSnapshots(), within_s=0.01)) == "timeout"


def test_beyond_those_that_may_wait_callers_are_turned_away_at_once(hung: threading.Event) -> None:
    async def scenario() -> list[str]:
        store = DatabaseSnapshots()
        waiting = [asyncio.create_task(read(store, within_s=30)) for _ in range(THREADS + MAX_WAITING)]
        await asyncio.sleep(0)
        turned_away = await read(store)
        hung.set()
        return [turned_away, *await asyncio.gather(*waiting)]

    assert asyncio.run(scenario()) == ["busy", *["ok"] * (THREADS + MAX_WAITING)]


def test_three_time_outs_open_the_breaker(hung: threading.Event) -> None:
    async def scenario() -> list[str]:
        store = DatabaseSnapshots()
        return [*await read_many(store, 3, within_s=0.01), await read(store)]

    assert asyncio.run(scenario()) == ["timeout", "timeout", "timeout", "breaker"]


def test_calls_that_wait_behind_others_of_their_owner_open_no_breaker(hung: threading.Event) -> None:
    async def scenario() -> list[str]:
        store = DatabaseSnapshots()
        asked = [asyncio.create_task(read(store, within_s=30)) for _ in range(THREADS - 1)]
        await asyncio.sleep(0)
        waited = await read_many(store, 5, within_s=0.01)
        assert not store.is_out
        hung.set()
        return [*waited, *await asyncio.gather(*asked)]

    assert asyncio.run(scenario()) == ["timeout"] * 5 + ["ok"] * (THREADS - 1)


def test_a_database_that_answers_again_is_asked_again(hung: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.validation.store.circuit_breaker.OPEN_FOR_S", 0.0)

    async def scenario() -> list[str]:
        store = DatabaseSnapshots()
        await read_many(store, 3, within_s=0.01)
        hung.set()
        return [await read(store), await read(store)]

    assert asyncio.run(scenario()) == ["ok", "ok"]


def test_callers_that_gave_up_leave_no_work_behind(hung: threading.Event) -> None:
    store = DatabaseSnapshots()
    assert asyncio.run(read_many(store, THREADS + 10, within_s=0.01)) == ["timeout"] * (THREADS + 10)
    assert store._threads.jobs == THREADS - 1  # those that an owner may have ask at once


def test_a_locked_database_is_no_answer(load: Callable[[database.Loader], None]) -> None:
    def locked(_ids: Sequence[str]) -> Mapping[str, Snapshot]:
        raise OperationalError("database is locked")

    load(locked)
    assert asyncio.run(read(DatabaseSnapshots())) == "error"
