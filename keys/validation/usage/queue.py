"""Pass usage batches from web processes to the database, over a short queue in Redis that the worker writes to tables.

A process that finds no Redis, no live worker or no room writes the waiting batches, if Redis has any, and then its own.
So a worker that is gone for a day fills nothing up, and counts go on. If it is unknown whether a batch was queued, the
process writes it as well: it has the same id, so it counts once.
"""

import logging
from contextlib import suppress

import redis
from django.conf import settings
from django.db import Error
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from keys.validation.store.redis_link import PREFIX, script
from keys.validation.usage.batches import Batch, decode, encode
from keys.validation.usage.tables import write_batches
from portal.edge.lifespan import repeat
from portal.operations.outages import is_outage

QUEUE = f"{PREFIX}usage"
AT_WORK = f"{PREFIX}usage:worker"
AT_WORK_MS = 5_000
MAX_QUEUED = 128
MAX_BATCH_BYTES = 256 * 1024  # with MAX_QUEUED, Redis never holds more than 32 MiB
BATCHES_A_WRITE = 32
ANSWERS_WITHIN_S = 0.5
LATE_AFTER_MS = 10_000
LOOK_EVERY_S = 5.0

log = logging.getLogger(__name__)


def flush_batch(batch: Batch) -> None:
    """Queue the batch for the worker, or write it here; raises django.db.Error if neither is possible now."""
    if settings.REDIS_URL:
        with suppress(RedisError, OSError):  # the lease holder logs the outage
            if _try_enqueue(encode(batch)):
                return
            write_queued()
    write_batches([batch])


def work() -> int:
    """Write the waiting batches, and renew the worker's sign of life; returns the number of batches.

    The worker runs this each second.
    """
    written = write_queued()
    with _client() as client:
        client.set(AT_WORK, 1, px=AT_WORK_MS)
    return written


def write_queued() -> int:
    """Write the waiting batches; returns their number. Concurrent runs are safe.

    Raises django.db.Error or RedisError.
    """
    written = 0
    with _client() as client:
        while entries := client.xrange(QUEUE, count=BATCHES_A_WRITE):
            _write_entries([fields.get(b"batch", b"") for _, fields in entries])
            client.xdel(QUEUE, *(entry_id for entry_id, _ in entries))
            written += len(entries)
    return written


async def keep_writing_late() -> None:
    """Write batches that no worker has written for ten seconds, while this process serves."""
    await repeat(write_late, every_s=LOOK_EVERY_S, failure="usage.queue_not_read")


def write_late() -> None:
    """Write the waiting batches if the first has waited for ten seconds by the clock of Redis.

    A worker that has just died leaves batches in the queue, and perhaps no later batch comes to push them out.
    """
    with _client() as client:
        first = client.xrange(QUEUE, count=1)
        if not first or int(first[0][0].partition(b"-")[0]) > client.time()[0] * 1000 - LATE_AFTER_MS:
            return
    write_queued()


def _try_enqueue(entry: bytes) -> bool:
    if len(entry) > MAX_BATCH_BYTES:
        return False
    with _client() as client:
        return bool(client.eval(script("queue_usage").text.decode(), 2, QUEUE, AT_WORK, entry, MAX_QUEUED))


def _write_entries(entries: list[bytes]) -> None:
    batches = [batch for batch in map(decode, entries) if batch is not None]
    if len(batches) < len(entries):
        log.warning("usage.not_ours", extra={"entries": len(entries) - len(batches)})
    try:
        write_batches(batches)
    except Error as exc:
        if is_outage(exc):
            raise
        for batch in batches:
            _write_or_drop(batch)  # one batch does not fit the tables: write the others


def _write_or_drop(batch: Batch) -> None:
    try:
        write_batches([batch])
    except Error as exc:
        if is_outage(exc):
            raise
        log.exception("usage.batch_dropped", extra={"batch": batch.id})


def _client() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        single_connection_client=True,
        socket_timeout=ANSWERS_WITHIN_S,
        socket_connect_timeout=ANSWERS_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
