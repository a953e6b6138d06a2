"""Batches reach the tables over the worker or without it, and each counts once."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import Error, OperationalError, close_old_connections, connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from keys import sweeps
from keys.models import ApiKey, Usage, UsageBatch
from keys.tasks import fold_usage
from keys.validation.usage import queue, tables
from keys.validation.usage.batches import Batch, Count, Use, decode, encode
from keys.validation.usage.queue import AT_WORK, MAX_QUEUED, QUEUE, flush_batch, write_late, write_queued
from keys.validation.usage.tables import IDS_KEPT, WRITTEN_WITHIN, write_batches
from portal.edge import lifespan
from tests.support import environment
from tests.support.devservices import free_port
from tests.support.refusing import read_only

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(environment.ON_SQLITE, reason="the queue needs a Redis"),
]


@pytest.fixture
def valkey() -> Iterator["redis.Redis"]:
    """The Valkey that the queue stands in, without any."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(QUEUE, AT_WORK)
        yield client
        client.delete(QUEUE, AT_WORK)


def batch(name: str = "one", *, count: int = 1, age_s: float = 0, uses: list[Use] | None = None) -> Batch:
    counts = [Count("key_1", "sec_1", 1_795_300_000 // 3600 * 3600, "VALID", count)]
    return Batch(name, time.time() - age_s, counts, uses or [])


def counted() -> int:
    return sum(Usage.objects.values_list("count", flat=True))


def test_with_a_worker_at_work_the_worker_writes(valkey: "redis.Redis") -> None:
    fold_usage.delay()
    flush_batch(batch("one"))
    flush_batch(batch("two"))
    assert (valkey.xlen(QUEUE), counted()) == (2, 0)
    fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (0, 2)


def test_a_replayed_batch_counts_once(valkey: "redis.Redis") -> None:
    write_batches([batch("one"), batch("one")])
    write_batches([batch("one"), batch("two", count=5)])
    fold_usage.delay()
    flush_batch(batch("one"))
    fold_usage.delay()
    assert counted() == 6


def test_a_worker_that_dies_between_commit_and_removal_counts_nothing_twice(
    valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    fold_usage.delay()
    flush_batch(batch(count=7))
    with monkeypatch.context() as patched:
        patched.setattr(redis.Redis, "xdel", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (1, 7)
    fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (0, 7)


def test_two_writes_at_once_count_once(valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    add, is_in, may_commit = tables._add_counts, threading.Event(), threading.Event()

    def slowly(*args: object) -> None:
        is_in.set()
        may_commit.wait(10)
        add(*args)  # type: ignore[arg-type]

    def run() -> None:
        write_batches([batch(count=3)])
        connection.close()

    monkeypatch.setattr(tables, "_add_counts", slowly)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert is_in.wait(10)
    while not _someone_waits_for_a_lock():
        close_old_connections()
    may_commit.set()
    for thread in threads:
        thread.join()
    assert counted() == 3


def _someone_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        return bool(cursor.fetchone()[0])


def test_without_a_worker_whoever_counts_writes_what_waits_too(valkey: "redis.Redis") -> None:
    fold_usage.delay()
    flush_batch(batch("one"))
    valkey.delete(AT_WORK)
    flush_batch(batch("two"))
    assert (valkey.xlen(QUEUE), counted()) == (0, 2)


def test_a_serving_process_writes_what_a_dead_worker_left_though_no_other_batch_comes(valkey: "redis.Redis") -> None:
    assert queue.keep_writing_late in lifespan._while_serving
    valkey.xadd(QUEUE, {"batch": encode(batch("one"))}, id="1-0")  # long ago
    write_late()
    assert (valkey.xlen(QUEUE), counted()) == (0, 1)


def test_a_serving_process_leaves_to_the_worker_what_has_just_come(valkey: "redis.Redis") -> None:
    write_late()
    valkey.xadd(QUEUE, {"batch": encode(batch("one"))})
    write_late()
    assert (valkey.xlen(QUEUE), counted()) == (1, 0)


def test_what_waits_in_redis_is_bounded(valkey: "redis.Redis") -> None:
    valkey.set(AT_WORK, 1)
    for number in range(MAX_QUEUED):
        flush_batch(batch(f"{number}"))
    assert valkey.xlen(QUEUE) == MAX_QUEUED
    flush_batch(batch("one more"))
    assert (valkey.xlen(QUEUE), counted()) == (0, MAX_QUEUED + 1)


def test_a_batch_too_large_for_the_queue_is_written_here(valkey: "redis.Redis") -> None:
    fold_usage.delay()
    flush_batch(batch(uses=[Use("", f"sec_{n}", 1.0, None, "x" * 200) for n in range(2_000)]))
    assert (valkey.xlen(QUEUE), counted()) == (0, 1)


def test_without_redis_counting_goes_on(valkey: "redis.Redis", settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    flush_batch(batch())
    assert counted() == 1


def test_a_batch_whose_queueing_got_no_reply_counts_once(
    valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    fold_usage.delay()
    evaluate = redis.Redis.eval

    def loses_the_reply(*args: Any) -> None:
        evaluate(*args)
        raise redis.TimeoutError

    with monkeypatch.context() as patched:
        patched.setattr(redis.Redis, "eval", loses_the_reply)
        flush_batch(batch())
    assert (valkey.xlen(QUEUE), counted()) == (1, 1)
    fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (0, 1)


@pytest.mark.parametrize("name", ["nothing", "noise", "cut short", "another MAC"])
def test_what_was_written_into_the_queue_by_hand_counts_nothing(valkey: "redis.Redis", name: str) -> None:
    ours = encode(batch())
    entry = {"nothing": b"", "noise": b"x" * 99, "cut short": ours[:-1], "another MAC": b"\0" * 32 + ours[32:]}[name]
    assert decode(entry) is None
    valkey.xadd(QUEUE, {"batch": entry})
    fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (0, 0)


def test_a_batch_that_no_table_takes_holds_up_no_other(valkey: "redis.Redis") -> None:
    fold_usage.delay()
    misshapen = Batch("bad", time.time(), [Count("key_1", "sec_" + "x" * 99, 0, "VALID", 1)], [])
    for each in (batch("one"), misshapen, batch("two")):
        flush_batch(each)
    fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (0, 2)


def test_what_a_read_only_database_does_not_take_waits_in_the_queue(valkey: "redis.Redis") -> None:
    fold_usage.delay()
    flush_batch(batch())
    with read_only(), pytest.raises(Error):
        write_queued()
    assert (valkey.xlen(QUEUE), counted()) == (1, 0)
    fold_usage.delay()
    assert (valkey.xlen(QUEUE), counted()) == (0, 1)


@pytest.mark.parametrize("is_newer", [False, True])  # also where the key's own row has nothing to note
def test_a_locked_key_is_waited_for_before_its_secrets_and_no_longer_than_two_seconds(
    valkey: "redis.Redis", key: ApiKey, is_newer: bool, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ApiKey.objects.update(last_used_at=now + timedelta(days=1) if is_newer else None)
    monkeypatch.setattr(tables, "LOCK_WITHIN", "50ms")
    failed: list[OperationalError] = []

    def run() -> None:
        try:
            write_batches([batch(uses=[Use(key.public_id, key.secrets.get().public_id, time.time(), None, "")])])
        except OperationalError as exc:
            failed.append(exc)
        finally:
            connection.close()

    with transaction.atomic():
        ApiKey.objects.select_for_update().get(pk=key.pk)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert failed
    assert counted() == 0
    run()
    assert counted() == 1


def test_ids_of_batches_outlive_every_batch_that_may_still_come(valkey: "redis.Redis") -> None:
    write_batches([batch("old", age_s=WRITTEN_WITHIN.total_seconds() - 5)])
    sweeps.prune_usage(now=timezone.now() + IDS_KEPT - (IDS_KEPT - WRITTEN_WITHIN) / 2)
    assert UsageBatch.objects.exists()
    write_batches([batch("late", age_s=WRITTEN_WITHIN.total_seconds() + 5)])
    assert counted() == 1
    sweeps.prune_usage(now=timezone.now() + 2 * IDS_KEPT)
    assert not UsageBatch.objects.exists()
