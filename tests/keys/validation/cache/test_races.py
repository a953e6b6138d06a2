"""The races that caches lose, each brought about on purpose: processes side by side on one loop, with a real Valkey.

What they read from is a table of the test's; a read can be stopped after it was made, before its result is used.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import redis
from django.db import DataError, OperationalError
from pytest_django.fixtures import Settings

from keys.validation.cache import serialization, snapshots
from keys.validation.cache.invalidation import _hint, flush
from keys.validation.cache.lease import Lease
from keys.validation.cache.local import LocalCache
from keys.validation.store import database
from keys.validation.store.clock import boottime
from keys.validation.store.database import Loader, Unavailable
from keys.validation.store.redis_link import (
    CHANNEL,
    MAX_CONNECTIONS,
    REGISTER,
    Link,
    acknowledgements_key,
    copy_keys,
    script,
)
from keys.validation.store.turns import Owner
from keys.validation.types import Snapshot
from portal.operations import processes
from portal.outbox import Pending
from tests.support import environment
from tests.support.devservices import Service, start_valkey
from tests.support.refusing import WAYS, refusing
from tests.support.validation.side_by_side import (
    LEASED_WITHIN_S,
    NAME,
    Table,
    play,
    running,
    snapshot_of,
    stored,
    suspend,
)

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")


class DeafLease(Lease):
    """The lease of a process that can be kept from reading what its subscription brings."""

    hears = asyncio.Event()

    async def _listen(self, connection: Any, renewing: "asyncio.Task[None]") -> None:
        read = connection.read_response

        async def read_if_it_hears(**options: Any) -> Any:
            await self.hears.wait()
            return await read(**options)

        connection.read_response = read_if_it_hears
        await super()._listen(connection, renewing)


async def answers(valkey: "redis.Redis") -> None:
    """Wait until Valkey has loaded its dump."""
    async with asyncio.timeout(10):
        while True:
            try:
                valkey.ping()
            except redis.RedisError:
                await asyncio.sleep(0.02)
            else:
                return


def test_a_change_says_how_many_processes_have_heard_and_no_number_that_nobody_counted(
    valkey: "redis.Redis", table: Table
) -> None:
    async def scene() -> None:
        valkey.delete(REGISTER)
        assert await asyncio.to_thread(flush, [NAME]) is None
        async with running(3):
            assert await asyncio.to_thread(flush, [NAME]) == 3
            assert await asyncio.to_thread(flush, [f"race:{n}" for n in range(501)]) == 3

    play(scene)


def test_a_reader_stopped_before_its_fill_brings_nothing_back(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(3) as (reader, other, third):
            table.gate.clear()
            reading = asyncio.create_task(reader.is_suspended(within_s=5))
            await table.is_read()
            await suspend(table)
            table.gate.set()
            assert await reading is False  # it began before
            assert [await each.is_suspended() for each in (third, reader, other)] == [True] * 3

    play(scene)


def test_nor_where_redis_was_emptied_meanwhile(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.validation.cache.snapshots.DEADLINE_S", 5.0)  # the change takes 1.2 s, the read longer

    async def scene() -> None:
        async with running(2) as (reader, third):
            table.gate.clear()
            reading = asyncio.create_task(reader.is_suspended(within_s=5))
            await table.is_read()
            valkey.flushall()
            await suspend(table)
            table.gate.set()
            await reading
            assert not valkey.exists(*copy_keys([NAME]))
            assert [await each.is_suspended() for each in (third, reader)] == [True] * 2

    play(scene)


def test_who_asks_after_a_change_shares_no_load_that_began_before(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(1) as (process,):
            table.gate.clear()
            early = asyncio.create_task(process.is_suspended(within_s=5))
            await table.is_read()
            await suspend(table)
            late = asyncio.create_task(process.is_suspended())
            await asyncio.sleep(0.05)
            table.gate.set()
            assert (await early, await late) == (False, True)

    play(scene)


def test_a_change_waits_until_who_does_not_hear_of_it_has_no_lease(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeafLease, "hears", asyncio.Event())
    DeafLease.hears.set()

    async def scene() -> None:
        async with running(1, kind=DeafLease) as (process,):
            assert await process.is_suspended() is False
            DeafLease.hears.clear()
            await asyncio.sleep(0.25)  # the read that is under way takes one more pong
            assert process.local.has_lease(boottime())
            await suspend(table)
            assert await process.is_suspended() is True

    play(scene)


def test_an_entry_written_by_hand_or_moved_is_a_miss(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        table.rows |= {"initech": False}
        async with running(2) as (process, other):
            await process.is_suspended("race:initech")
            await stored(valkey, "race:initech")
            (theirs, _), (ours, _) = copy_keys(["race:initech"]), copy_keys([NAME])
            table.rows["acme"] = True
            for entry in (valkey.get(theirs), b"", b"x", int(time.time() * 1000).to_bytes(8, "big") + b"x" * 200):
                valkey.set(ours, entry or b"")
                other.local.forget()
                assert await other.is_suspended() is True

    play(scene)


def test_what_an_old_dump_brings_back_is_a_miss(service: Service, valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(2) as (process, other):
            assert await process.is_suspended() is False
            await stored(valkey)
            valkey.save()
            await suspend(table)
            service.process.kill()
            service.process.wait()
            service.process = processes.start(service.process.args, cwd=service._folder)  # type: ignore[arg-type]
            await answers(valkey)
            await process.gets_lease()
            assert valkey.exists(copy_keys([NAME])[0])
            assert [await each.is_suspended() for each in (other, process)] == [True] * 2
            table.rows["acme"] = False
            assert not isinstance(await asyncio.to_thread(flush, [NAME]), Pending)
            assert [await each.is_suspended() for each in (other, process)] == [False] * 2

    play(scene)


def test_a_subscription_to_a_server_that_is_no_longer_the_one_gives_no_lease(
    valkey: "redis.Redis", table: Table, settings: Settings
) -> None:
    moved_to = start_valkey()
    there = redis.Redis.from_url(moved_to.url)

    async def scene() -> None:
        async with running(1) as (process,):
            assert await process.is_suspended() is False
            settings.REDIS_URL = moved_to.url
            async with asyncio.timeout(10):
                while not there.exists(REGISTER):  # until a row of its own stands there
                    await process.link.close()  # again: a connection in use comes back
                    await asyncio.sleep(0.02)
            await suspend(table)
            assert await process.is_suspended() is True

    try:
        play(scene)
    finally:
        there.close()
        moved_to.stop()


def test_an_issued_name_is_known_at_once_to_who_looked_for_it_before(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(2) as both:
            assert [await each.is_suspended("race:new") for each in both * 2] == [None] * 4
            table.rows["new"] = False
            assert await asyncio.to_thread(flush, ["race:new"]) == 2
            assert [await each.is_suspended("race:new") for each in both] == [False] * 2

    play(scene)


def test_the_lease_outlives_noise_and_cuts_and_says_so_once(
    valkey: "redis.Redis", table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with running(1) as (process,):
            for noise in (b"\x92\xa2\xff\xff\x90", b"", b"\xc1", b"\x92\xa1a\x91\x01"):
                valkey.publish(CHANNEL, noise)
            await suspend(table)
            valkey.client_kill_filter(_type="pubsub")
            async with asyncio.timeout(LEASED_WITHIN_S):
                while process.local.epoch is not None:  # noqa: ASYNC110  # nor for this
                    await asyncio.sleep(0.01)
            assert not process.local.has_lease(boottime())
            await process.gets_lease()
            assert await process.is_suspended() is True

    with caplog.at_level(logging.WARNING, logger="keys.validation.cache.lease"):
        play(scene)
    assert [record.message for record in caplog.records if record.name == "keys.validation.cache.lease"] == [
        "lease.lost"
    ]


def test_many_at_once_wait_for_a_connection(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        link = Link()
        names = [f"race:{number}" for number in range(4 * MAX_CONNECTIONS)]
        calls = [link.run_script(script("take"), copy_keys([name]), "n", 1, 1, within_s=5) for name in names]
        assert len(await asyncio.gather(*calls)) == len(names)
        await link.close()

    play(scene)


def test_a_row_that_cannot_be_read_costs_nobody_else_an_answer(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(ids: Sequence[str]) -> Mapping[str, Snapshot]:
        if "broken" in ids:
            raise KeyError("broken")
        return table.load(ids)

    monkeypatch.setitem(database._loaders, "race", Loader(list, load))
    table.rows |= {str(number): False for number in range(9)}

    async def scene() -> None:
        async with running(1) as (process,):
            asked = ("race:broken", *(f"race:{number}" for number in range(9)))
            broken, *others = await asyncio.gather(*map(process.is_suspended, asked), return_exceptions=True)
            assert isinstance(broken, Unavailable)
            assert others == [False] * 9

    play(scene)


def test_an_error_of_the_database_about_the_row_of_one_owner_costs_no_other_an_answer(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(ids: Sequence[str]) -> Mapping[str, Snapshot]:
        if "broken" in ids:
            raise DataError
        return table.load(ids)

    monkeypatch.setitem(database._loaders, "race", Loader(list, load))

    async def scene() -> None:
        async with running(1) as (process,):
            read = partial(process.snapshots.read, deadline=asyncio.get_running_loop().time() + 5)
            broken, acme = await asyncio.gather(
                read(["race:broken"], owner=Owner("ada")), read([NAME], owner=Owner("ben")), return_exceptions=True
            )
            assert isinstance(broken, Unavailable)
            assert acme == {NAME: snapshot_of("acme", is_suspended=False)}

    play(scene)


def test_a_reply_that_is_there_is_not_late_because_the_loop_is(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        link = Link()
        ask = partial(link.run_script, script("take"), copy_keys(["race:1"]), "n", 1, 1)
        await ask(within_s=5)
        late = asyncio.create_task(ask(within_s=0.02))
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251  # the point: nothing is read, nor any timer looked at
        await late
        await link.close()

    play(scene)


def test_a_late_reply_is_never_another_calls(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(1) as (process,):
            assert await process.is_suspended() is False
            valkey.client_pause(200)
            table.rows |= {"new": True}
            process.local.forget()
            answers = await asyncio.gather(
                *(process.is_suspended(name) for name in (NAME, "race:new", "race:none") * 3)
            )
            assert answers == [False, True, None] * 3

    play(scene)


def test_kept_copies_answer_while_the_database_hangs(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        table.rows |= {"initech": True}
        async with running(1, fresh_s=0.1) as (process,):
            assert (await process.is_suspended(), await process.is_suspended("race:initech")) == (False, True)
            table.gate.clear()
            await asyncio.sleep(0.15)
            for _ in range(4):
                assert await process.is_suspended() is False
            assert process.snapshots._database.is_out
            with pytest.raises(Unavailable):
                await process.is_suspended("race:none")
            for _ in range(100):  # at once, though each second one of them is the probe
                assert await process.is_suspended("race:initech", within_s=0.2) is True
            table.gate.set()

    play(scene)


def test_a_name_without_a_copy_takes_no_kept_copy_from_its_neighbours(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(1, fresh_s=0.1) as (process,):
            assert await process.is_suspended() is False
            await asyncio.sleep(0.15)
            database._loaders["race"] = Loader(list, _refuse)
            deadline = asyncio.get_running_loop().time() + 1
            both = asyncio.create_task(process.snapshots.read([NAME, "race:none"], deadline=deadline))
            await asyncio.sleep(0)
            assert await process.is_suspended() is False
            with pytest.raises(Unavailable):
                await both

    play(scene)


def test_an_entry_from_the_future_is_a_miss(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "TAKE_WITHIN_S", 5)

    async def scene() -> None:
        async with running(2) as (process, other):
            await process.is_suspended()
            await stored(valkey)
            taken = await process.snapshots._take_with("n", {NAME: 30.0})
            ahead = serialization.encode(
                NAME, taken.copies[NAME][0], run=taken.run, read_at_ms=taken.now_ms + 3_600_000
            )
            valkey.set(copy_keys([NAME])[0], ahead)
            table.rows["acme"] = True
            assert await other.is_suspended() is True

    play(scene)


def test_without_a_lease_the_database_answers_and_no_shared_copy(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(2) as (process, other):
            assert await process.is_suspended() is False
            await stored(valkey)
            table.rows["acme"] = True  # and nobody is told
            other.local.end_epoch()
            assert await other.is_suspended() is True

    play(scene)


def test_a_process_gets_no_lease_before_all_is_told_that_could_not_be(valkey: "redis.Redis", table: Table) -> None:
    asked: asyncio.Queue[None] = asyncio.Queue()
    is_told = False

    async def catch_up() -> bool:
        asked.put_nowait(None)
        return is_told

    async def scene() -> None:
        nonlocal is_told
        local, link = LocalCache(max_copies=100, fresh_s=30), Link()
        holding = asyncio.create_task(Lease(local, link, catch_up=catch_up).hold())
        async with asyncio.timeout(LEASED_WITHIN_S):
            for _ in range(3):
                await asked.get()
            assert local.epoch is not None
            assert not local.has_lease(boottime())
            is_told = True
            while not local.has_lease(boottime()):  # noqa: ASYNC110  # nor for this
                await asyncio.sleep(0.01)
        holding.cancel()
        await asyncio.wait([holding])
        await link.close()

    play(scene)


def test_a_lease_that_lapsed_comes_back_only_after_catching_up(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.validation.cache.lease.SILENT_AFTER_S", 60.0)  # the subscription outlives the pause
    is_told = True

    async def catch_up() -> bool:
        return is_told

    async def scene() -> None:
        nonlocal is_told
        async with running(1, catch_up=catch_up) as (process,):
            assert await process.is_suspended() is False
            is_told = False
            valkey.client_pause(1_200)
            async with asyncio.timeout(LEASED_WITHIN_S):
                while process.local.has_lease(boottime()):  # noqa: ASYNC110  # nor for this
                    await asyncio.sleep(0.01)
                table.rows["acme"] = True
                valkey.ping()  # answered once the pause is over
                for _ in range(20):
                    assert await process.is_suspended() is True
                    await asyncio.sleep(0.02)
            assert process.local.epoch is not None
            is_told = True
            await process.gets_lease()

    play(scene)


def test_no_older_shared_copy_unsays_what_was_answered_from_the_database(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(2) as (process, other):
            assert await other.is_suspended() is False
            await stored(valkey)
            copy, token = copy_keys([NAME])
            old = valkey.get(copy)
            valkey.delete(copy)
            valkey.set(token, "another reader's")
            table.rows["acme"] = True  # committed, and not told yet
            assert await process.is_suspended() is True
            valkey.set(copy, old or b"")  # as the other reader does, who read before
            process.local.forget()
            assert await process.is_suspended() is True

    play(scene)


@pytest.mark.parametrize("how", WAYS)
def test_where_redis_refuses_writes_copies_are_dropped_on_a_hint_and_the_change_is_pending(
    settings: Settings, table: Table, how: str
) -> None:
    own = start_valkey()
    settings.REDIS_URL = own.url

    async def scene() -> None:
        async with running(2) as both:
            assert [await each.is_suspended() for each in both] == [False] * 2
            with refusing(own, how):
                table.rows["acme"] = True
                pending = await asyncio.to_thread(flush, [NAME])
                assert isinstance(pending, Pending)
                assert pending.is_refused
                assert [await each.is_suspended() for each in both] == [True] * 2
                assert not any(each.local.has_lease(boottime()) for each in both)
            assert not isinstance(await asyncio.to_thread(flush, [NAME]), Pending)
            for each in both:
                await each.gets_lease()
                assert await each.is_suspended() is True

    try:
        play(scene)
    finally:
        own.stop()


def test_a_hint_is_heeded_at_once_by_processes_whose_lease_goes_on(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(2) as both:
            assert [await each.is_suspended() for each in both] == [False] * 2
            heard = valkey.keys(acknowledgements_key("*"))
            table.rows["acme"] = True
            await asyncio.to_thread(_hint, [NAME])
            async with asyncio.timeout(LEASED_WITHIN_S):
                while [await each.is_suspended() for each in both] != [True] * 2:  # noqa: ASYNC110  # nor for this
                    await asyncio.sleep(0)
            assert all(each.local.has_lease(boottime()) for each in both)
            assert valkey.keys(acknowledgements_key("*")) == heard  # a hint is not acknowledged

    play(scene)


def _refuse(_ids: Sequence[str]) -> Mapping[str, Snapshot]:
    raise OperationalError
