"""Reads over the event loop's own connections to a real PostgreSQL."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from socket import create_server
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from keys.models import Api, ApiKey, ApiSecret, KeySecret
from keys.services.api_secrets import IssuedApiSecret
from keys.services.secrets import roll_credential
from keys.validation.store.connections import PostgresSnapshots
from keys.validation.store.database import CONNECTIONS, Unavailable, load
from keys.validation.store.loaders import load_organizations
from keys.validation.store.postgres import Connection, Query
from keys.validation.types import KeySnapshot, Snapshot
from oauth.models import Client
from portal.audit import Actor
from portal.models import Organization
from tests.support import environment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(environment.ON_SQLITE, reason="SQLite is read over threads"),
]
Scene = Callable[[PostgresSnapshots], Awaitable[Any]]
MINE = "datname = current_database() AND application_name = 'tests of the hot path'"


@pytest.fixture(autouse=True)
def named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server knows the connections of these tests by name."""
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "application_name", "tests of the hot path")


def play(scene: Scene) -> Any:
    """Play it on an event loop, whose connections are closed after it."""

    async def played() -> Any:
        store = PostgresSnapshots()
        try:
            return await scene(store)
        finally:
            store.close()

    return asyncio.run(played())


async def read(store: PostgresSnapshots, *names: str, within_s: float = 5) -> Mapping[str, Snapshot]:
    """Return the snapshots that the store reads."""
    return await store.read(names, deadline=time.monotonic() + within_s)


@contextmanager
def beside() -> Iterator["psycopg.Connection[Any]"]:
    """A connection that is none of them."""
    parameters = connection.get_connection_params()
    named = {name: parameters[name] for name in ("dbname", "host", "port", "user")}
    with psycopg.connect(**named, autocommit=True) as made:
        yield made


def count(condition: str = "TRUE") -> int:
    """How many connections of these tests the server has."""
    with beside() as server:
        found = server.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {MINE} AND {condition}").fetchone()  # noqa: S608  # our own text
    return int(found[0]) if found else 0


def terminate() -> None:
    """End the connections of these tests, and wait until they have ended."""
    with beside() as server:
        server.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {MINE}")  # noqa: S608  # our own text


def alter(column: str) -> None:
    """Change the type of a column of the table of organizations."""
    with beside() as server:
        server.execute(f"ALTER TABLE portal_organization ALTER COLUMN {column}")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the server shows."""
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # it has no event for it
            await asyncio.sleep(0.01)


@contextmanager
def locked() -> Iterator[None]:
    """Nobody can read organizations."""
    with beside() as server, server.transaction():
        server.execute("LOCK TABLE portal_organization IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.fixture
def names(key: ApiKey, api_secret: IssuedApiSecret, oauth_client: Client, as_ada: Actor, now: datetime) -> list[str]:
    """The names of snapshots of every kind, and of some that do not exist."""
    roll_credential(key, overlap=timedelta(hours=1), by=as_ada)
    roll_credential(oauth_client, overlap=timedelta(hours=1), by=as_ada)
    ApiKey.objects.update(
        metadata={"ü\u2028": [1, 1e-5, 10**20, 0.1, -0.0, None, True], "a": {"b": {}, '\t"\\/': ""}},
        rate_limits=[{"name": "r", "limit": 5, "window_s": 60}],
        quota={"limit": 5, "refill": "day"},
        networks=["203.0.113.0/24"],
        not_before=now,
        expires_at=now + timedelta(days=1, microseconds=1),
    )
    Client.objects.update(metadata={"plan": "pro"}, disabled_at=now)
    return [
        *(f"secret:{bytes(digest).hex()}" for digest in KeySecret.objects.values_list("digest", flat=True)),
        *(f"apisecret:{bytes(digest).hex()}" for digest in ApiSecret.objects.values_list("digest", flat=True)),
        *(f"api:{public_id}" for public_id in Api.objects.values_list("public_id", flat=True)),
        *(f"org:{public_id}" for public_id in Organization.objects.values_list("public_id", flat=True)),
        f"client:{oauth_client.public_id}",
        "signing-keys:all",
        f"secret:{'00' * 32}",
        "org:{\"'\\,}",
    ]


@pytest.mark.parametrize("pooler", [None, "transaction"])
def test_every_snapshot_is_the_one_that_threads_read(names: list[str], settings: Settings, pooler: str | None) -> None:
    settings.DATABASE_POOLER = pooler

    async def scene(store: PostgresSnapshots) -> list[Mapping[str, Snapshot]]:
        return [await read(store, *names), await read(store, *names)]  # prepared by now, where it is

    expected = load(names)
    assert play(scene) == [expected, expected]
    assert list(expected) == names[:-2]
    found = expected[names[0]]
    assert isinstance(found, KeySnapshot)
    assert found.metadata.decode() == (
        '{"a":{"b":{},"\\t\\"\\\\/":""},"ü\u2028":[1,1e-05,100000000000000000000,0.1,0.0,null,true]}'
    )


def test_an_id_that_no_text_can_hold_is_no_answer(acme: Organization) -> None:
    async def scene(store: PostgresSnapshots) -> Mapping[str, Snapshot]:
        with pytest.raises(Unavailable, match="error"):
            await read(store, "org:\0")
        return await read(store, f"org:{acme.public_id}")

    assert list(play(scene)) == [f"org:{acme.public_id}"]


def test_connections_that_died_cost_no_answer(acme: Organization) -> None:
    name = f"org:{acme.public_id}"

    async def scene(store: PostgresSnapshots) -> list[list[str]]:
        found = []
        for _ in range(3):
            answers = await asyncio.gather(*(read(store, name) for _ in range(10)))
            found += [list(answer) for answer in answers]
            await asyncio.to_thread(terminate)
        return found

    assert play(scene) == [[name]] * 30


def test_a_read_whose_connection_dies_meanwhile_is_made_again(acme: Organization) -> None:
    name = f"org:{acme.public_id}"

    async def scene(store: PostgresSnapshots) -> list[str]:
        await read(store, name)
        with locked():
            reading = asyncio.create_task(read(store, name))
            await until(lambda: count("wait_event_type = 'Lock'") == 1)
            await asyncio.to_thread(terminate)
        return list(await reading)

    assert play(scene) == [name]


def test_a_plan_that_is_out_of_date_costs_no_answer(acme: Organization) -> None:
    async def scene(store: PostgresSnapshots) -> list[str]:
        await read(store, f"org:{acme.public_id}")
        await asyncio.to_thread(alter, "name TYPE text")
        try:
            return list(await read(store, f"org:{acme.public_id}"))
        finally:
            await asyncio.to_thread(alter, "name TYPE varchar(100)")

    assert play(scene) == [f"org:{acme.public_id}"]


def test_a_connection_whose_read_takes_too_long_is_closed_and_another_one_answers(acme: Organization) -> None:
    name = f"org:{acme.public_id}"

    async def scene(store: PostgresSnapshots) -> list[str]:
        await read(store, name)
        with locked():
            late = await asyncio.gather(*(read(store, name, within_s=0.1) for _ in range(2)), return_exceptions=True)
        assert [str(each) for each in late] == ["timeout"] * 2
        found = await read(store, name)
        await until(lambda: count() == 1)
        return list(found)

    assert play(scene) == [name]


def test_reads_that_were_given_up_leave_the_server_nothing_to_do(acme: Organization) -> None:
    async def scene(store: PostgresSnapshots) -> None:
        await read(store, f"org:{acme.public_id}")
        with locked():
            with pytest.raises(Unavailable, match="timeout"):
                await read(store, f"org:{acme.public_id}", within_s=0.1)
            await until(lambda: count("wait_event_type = 'Lock'") == 1)
            await until(lambda: count() == 0)

    play(scene)


def test_a_row_that_cannot_be_decoded_costs_one_read_and_no_connection(acme: Organization, key: ApiKey) -> None:
    with beside() as server:
        server.execute("UPDATE keys_apikey SET expires_at = 'infinity'")
    digest = bytes(KeySecret.objects.get().digest).hex()

    async def scene(store: PostgresSnapshots) -> int:
        for _ in range(5):
            with pytest.raises(Unavailable, match="error"):
                await read(store, f"secret:{digest}")
            assert await read(store, f"org:{acme.public_id}")
        return await asyncio.to_thread(count)

    assert play(scene) == 1


@pytest.mark.usefixtures("event_loop")
def test_a_connection_that_is_closed_twice_leaves_alone_who_has_the_number_of_its_socket(acme: Organization) -> None:
    queries = [Query(load_organizations.select, [acme.public_id])]

    async def scene() -> None:
        first = await Connection.open()
        await first.ask(queries)
        await asyncio.to_thread(terminate)
        async with asyncio.timeout(5):
            while first.is_open:  # noqa: ASYNC110  # it has no event for it
                await asyncio.sleep(0.01)
        second = await Connection.open()
        first.close()
        async with asyncio.timeout(5):
            assert len(await second.ask(queries)) == 1
        second.close()

    asyncio.run(scene())


def test_a_flood_opens_no_more_connections_than_there_may_be(acme: Organization, initech: Organization) -> None:
    names = [f"org:{acme.public_id}", f"org:{initech.public_id}"]

    async def scene(store: PostgresSnapshots) -> int:
        for _ in range(3):
            assert [list(each) for each in await asyncio.gather(*(read(store, *names) for _ in range(60)))] == [
                names
            ] * 60
        return await asyncio.to_thread(count)

    assert play(scene) == CONNECTIONS - 1  # those of one owner
    asyncio.run(until(lambda: count() == 0))


def test_event_loops_share_no_connection(names: list[str]) -> None:
    store, expected = PostgresSnapshots(), load(names)
    found: list[Mapping[str, Snapshot]] = []

    def on_a_loop(first: int) -> None:
        async def scene() -> None:
            found.extend([await read(store, names[(first + turn) % len(expected)]) for turn in range(50)])

        asyncio.run(scene())

    threads = [Thread(target=on_a_loop, args=[first]) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    on_a_loop(0)
    assert len(found) == 200
    assert all(each == {name: expected[name]} for each in found for name in each)
    assert all(found)
    gc.collect()
    asyncio.run(until(lambda: count() == 0))  # they end with their loops, though nobody said so


def test_a_first_host_that_says_nothing_costs_no_read_after_the_time_to_connect(
    acme: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read may take less time than a connection, whose attempts go on for the reads to come."""
    name, database = f"org:{acme.public_id}", settings.DATABASES["default"]

    async def scene(store: PostgresSnapshots) -> list[str]:
        answers: list[str] = []
        async with asyncio.timeout(10):
            while True:
                try:
                    return [*answers, *await read(store, name, within_s=0.5)]
                except Unavailable as exc:
                    answers.append(str(exc))

    with create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setitem(database, "HOST", f"127.0.0.1,{database['HOST']}")
        monkeypatch.setitem(database, "PORT", f"{silent.getsockname()[1]},{database['PORT']}")
        monkeypatch.setitem(database["OPTIONS"], "connect_timeout", 2)
        *answers, found = play(scene)
    assert found == name
    assert set(answers) <= {"timeout", "breaker"}
