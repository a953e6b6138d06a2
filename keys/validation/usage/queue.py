"""How batches of usage get from web processes into the database: over a short queue in Redis, which the worker folds.

A process that finds no Redis, no worker at work or no room folds by itself, what waits in the queue included: a worker
that is gone for a day fills nothing up, and counts go on. Where it is not known whether a batch was queued, it is
folded here as well; that is the same batch, so it counts once.
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
from keys.validation.usage.tables import fold
from portal.edge.lifespan import repeat
from portal.operations.outages import is_outage

QUEUE = f"{PREFIX}usage"
AT_WORK = f"{PREFIX}usage:worker"
AT_WORK_MS = 5_000
MAX_QUEUED = 128
MAX_BATCH_BYTES = 256 * 1024  # with MAX_QUEUED, the most that Redis ever holds: 32 MiB
BATCHES_A_FOLD = 32
ANSWERS_WITHIN_S = 0.5
LATE_AFTER_MS = 10_000
LOOK_EVERY_S = 5.0

log = logging.getLogger(__name__)


def hand_on(batch: Batch) -> None:
    """Have the batch folded, by the worker or here; raises django.db.Error where neither can be done now."""
    if settings.REDIS_URL:
        with suppress(RedisError, OSError):  # whoever holds the lease tells of the outage
            if _is_queued(encode(batch)):
                return
            fold_queued()
    fold([batch])


def work() -> int:
    """Fold what waits, and leave a sign of it: what the worker runs each second. Returns how many batches it was."""
    folded = fold_queued()
    with _client() as client:
        client.set(AT_WORK, 1, px=AT_WORK_MS)
    return folded


def fold_queued() -> int:
    """Fold what waits in the queue, and return how many batches. Two at once do no harm.

    Raises django.db.Error or RedisError.
    """
    folded = 0
    with _client() as client:
        while entries := client.xrange(QUEUE, count=BATCHES_A_FOLD):
            _fold([fields.get(b"batch", b"") for _, fields in entries])
            client.xdel(QUEUE, *(entry_id for entry_id, _ in entries))
            folded += len(entries)
    return folded


async def fold_what_waits() -> None:
    """Fold what no worker has folded for ten seconds, for as long as this process serves."""
    await repeat(fold_late, every_s=LOOK_EVERY_S, failure="usage.queue_not_read")


def fold_late() -> None:
    """Fold what waits, if the first of it has waited for ten seconds by Redis's clock.

    A worker that has just died leaves a batch there, and no other batch need come.
    """
    with _client() as client:
        first = client.xrange(QUEUE, count=1)
        if not first or int(first[0][0].partition(b"-")[0]) > client.time()[0] * 1000 - LATE_AFTER_MS:
            return
    fold_queued()


def _is_queued(entry: bytes) -> bool:
    if len(entry) > MAX_BATCH_BYTES:
        return False
    with _client() as client:
        return bool(client.eval(script("queue_usage").text.decode(), 2, QUEUE, AT_WORK, entry, MAX_QUEUED))


def _fold(entries: list[bytes]) -> None:
    batches = [batch for batch in map(decode, entries) if batch is not None]
    if len(batches) < len(entries):
        log.warning("usage.not_ours", extra={"entries": len(entries) - len(batches)})
    try:
        fold(batches)
    except Error as exc:
        if is_outage(exc):
            raise
        for batch in batches:
            _fold_or_drop(batch)  # one of them is not as tables are: the others count


def _fold_or_drop(batch: Batch) -> None:
    try:
        fold([batch])
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
