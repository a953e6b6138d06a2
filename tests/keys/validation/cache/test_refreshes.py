"""Refreshes in the background, and copies that are stored after the answer: neither brings an old state back."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
import redis
from django.db import OperationalError

from keys.validation.cache import snapshots
from keys.validation.cache.local import LocalCache
from keys.validation.cache.snapshots import JITTER, CachedSnapshots
from keys.validation.store import database
from keys.validation.store.clock import boottime
from keys.validation.store.database import Loader, ThreadedSnapshots
from keys.validation.store.redis_link import Link, copy_keys
from keys.validation.types import Snapshot
from tests.support import environment
from tests.support.validation.side_by_side import (
    LEASED_WITHIN_S,
    NAME,
    Process,
    Table,
    play,
    running,
    snapshot_of,
    stored,
    suspend,
)

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")


async def begins_to_refresh(valkey: "redis.Redis", table: Table, process: Process) -> None:
    """A caller gets the copy at once, and its refresh stops after it has read."""
    valkey.delete(*copy_keys([NAME]))
    process.is_due()
    table.stop_reads()
    assert await process.is_suspended() is False
    await table.is_read()


def test_a_copy_that_is_due_answers_at_once_and_is_refreshed_once_in_the_background(
    valkey: "redis.Redis", table: Table
) -> None:
    async def scene() -> None:
        async with running(1) as (process,):
            assert await process.is_suspended() is False
            await begins_to_refresh(valkey, table, process)
            table.rows["acme"] = True  # committed, not told, and not seen by the refresh
            for _ in range(100):
                process.is_due()
                assert await process.is_suspended(within_s=0.2) is False
            assert table.reads == 2
            table.gate.set()
            await stored(valkey)
            valkey.delete(*copy_keys([NAME]))
            process.is_due()
            await process.comes_to(True)
            assert table.reads == 3

    play(scene)


def test_of_many_processes_one_reads_the_database_for_all(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(3) as processes:
            assert await processes[0].is_suspended() is False
            await stored(valkey)
            assert [await each.is_suspended() for each in processes] == [False] * 3
            assert table.reads == 1
            table.rows["acme"] = True
            valkey.delete(*copy_keys([NAME]))
            for each in processes:
                each.is_due()
                await each.comes_to(True)
                await stored(valkey)
            assert table.reads == 2

    play(scene)


def test_a_refresh_that_an_invalidation_overtakes_is_not_stored(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(3) as (process, *others):
            assert await process.is_suspended() is False
            await begins_to_refresh(valkey, table, process)
            await suspend(table)
            late = asyncio.create_task(process.is_suspended())
            await asyncio.sleep(0.05)
            table.gate.set()
            assert await late is True
            assert [await each.is_suspended() for each in (process, *others)] == [True] * 3

    play(scene)


def test_a_refresh_that_began_under_an_earlier_lease_is_not_stored(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(1) as (process,):
            assert await process.is_suspended() is False
            await begins_to_refresh(valkey, table, process)
            epoch = process.local.epoch
            valkey.client_kill_filter(_type="pubsub")
            async with asyncio.timeout(LEASED_WITHIN_S):
                while process.local.epoch == epoch:  # noqa: ASYNC110  # what is tested has no event for it
                    await asyncio.sleep(0.01)
            await suspend(table)  # the process may have no lease, and then hears nothing
            await process.gets_lease()
            table.gate.set()
            assert await process.is_suspended() is True
            assert await process.is_suspended() is True

    play(scene)


def test_in_an_outage_refreshes_are_no_probe_and_take_no_thread(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "REFRESH_AGAIN_AFTER_S", 0.0)
    table.rows |= {str(number): False for number in range(3)}

    async def scene() -> None:
        async with running(1) as (process,):
            names = [f"race:{number}" for number in range(3)]
            assert [await process.is_suspended(name) for name in names] == [False] * 3
            valkey.delete(*copy_keys(names))
            table.stop_reads()
            async with asyncio.timeout(LEASED_WITHIN_S):
                while not process.snapshots._database.is_out:
                    for name in names:
                        process.is_due(name)
                        assert await process.is_suspended(name, within_s=0.2) is False
                        await asyncio.sleep(0.01)
            reads = table.reads
            for _ in range(110):  # for longer than the second after which one probe is admitted
                for name in names:
                    process.is_due(name)
                    assert await process.is_suspended(name, within_s=0.2) is False
                await asyncio.sleep(0.01)
            assert table.reads == reads
            table.gate.set()
            assert await process.is_suspended() is False  # a caller is the probe, and answered at once

    play(scene)


def test_a_refresh_that_fails_costs_no_copy_and_is_not_tried_again_at_once(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(ids: Sequence[str]) -> Mapping[str, Snapshot]:
        tried.append(ids)
        raise OperationalError

    async def scene() -> None:
        async with running(1) as (process,):
            assert await process.is_suspended() is False
            valkey.delete(*copy_keys([NAME]))
            monkeypatch.setitem(database._loaders, "race", Loader(list, refuse))
            for _ in range(50):
                process.is_due()
                assert await process.is_suspended() is False
                await asyncio.sleep(0.005)
            assert len(tried) == 1

    play(scene)


def test_an_answer_waits_for_no_copy_to_be_stored(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(1) as (process,):
            with process.stalled_fills() as released:
                assert await process.is_suspended() is False
                assert not valkey.exists(copy_keys([NAME])[0])
                released.set()
                await stored(valkey)

    play(scene)


def test_a_copy_that_a_write_overtakes_after_the_answer_is_not_stored(valkey: "redis.Redis", table: Table) -> None:
    async def scene() -> None:
        async with running(2) as both:
            with both[0].stalled_fills() as released:
                assert await both[0].is_suspended() is False
                await suspend(table)
                released.set()
                await asyncio.sleep(0.1)
                assert not valkey.exists(copy_keys([NAME])[0])
                assert [await each.is_suspended() for each in both] == [True] * 2

    play(scene)


def test_until_the_answer_is_known_to_be_stored_no_older_shared_copy_counts(
    valkey: "redis.Redis", table: Table
) -> None:
    async def scene() -> None:
        async with running(2) as (process, other):
            assert await other.is_suspended() is False
            copy, token = copy_keys([NAME])
            await stored(valkey)
            old = valkey.get(copy)
            valkey.delete(copy)
            table.rows["acme"] = True  # committed, and not told yet
            with process.stalled_fills() as released:
                assert await process.is_suspended() is True
                valkey.delete(token)  # it expires, and another reader, who read before, stores its copy
                valkey.set(copy, old or b"")
                process.local.forget()
                assert await process.is_suspended() is True
                released.set()
                await asyncio.sleep(0.1)
            process.local.forget()
            assert await process.is_suspended() is True

    play(scene)


def test_while_many_copies_are_being_stored_no_more_are(
    valkey: "redis.Redis", table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_FILLS", 1)
    table.rows |= {"initech": True}

    async def scene() -> None:
        async with running(1) as (process,):
            with process.stalled_fills() as released:
                assert await process.is_suspended() is False
                assert await process.is_suspended("race:initech") is True
                released.set()
                await stored(valkey)
                assert not valkey.exists(copy_keys(["race:initech"])[0])

    play(scene)


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("age_s", [0, 60, 119, 239])
def test_a_copy_ends_at_most_a_tenth_too_early_and_is_due_after_half_its_time(drawn: float, age_s: float) -> None:
    async def scene() -> None:
        local, link = LocalCache(max_copies=1, fresh_s=240), Link()
        cached = CachedSnapshots(ThreadedSnapshots(), local, link, fresh_s=240, kept_s=540, draw=lambda: drawn)
        now = boottime()
        copy = cached._copy(snapshot_of("acme", is_suspended=False), age_s, now)
        left = 240 - age_s
        assert copy.fresh_until - now == pytest.approx(left * (1 - JITTER * drawn))
        assert copy.fresh_until - copy.refresh_at == pytest.approx(120 * (1 - JITTER * drawn))
        assert copy.kept_until - now == pytest.approx(540 - age_s)

    play(scene)
