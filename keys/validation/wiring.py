"""Build this process's snapshots and limits: shared over Redis if REDIS_URL is set, else from the database alone."""

import asyncio
import logging
from functools import cache

from django.conf import settings
from django.db import Error, close_old_connections

from keys.validation.cache.lease import Lease
from keys.validation.cache.local import LocalCache
from keys.validation.cache.snapshots import CachedSnapshots
from keys.validation.limits.admission import Admission
from keys.validation.limits.quotas import Quotas
from keys.validation.limits.rate_limiter import RateLimiter
from keys.validation.store.database import DatabaseSnapshots, DatabaseThreads, Snapshots, Unavailable
from keys.validation.store.redis_link import Link
from portal.outbox import announce_left, flush_outbox

CATCH_UP_WITHIN_S = 0.5  # less than the second after which a silent subscription counts as lost
DRAIN_EVERY_S = 0.4

log = logging.getLogger(__name__)


@cache
def link() -> Link | None:
    """Return this process's link to Redis; None if no Redis is configured."""
    return Link() if settings.REDIS_URL else None


@cache
def _limiter() -> RateLimiter:
    return RateLimiter(link(), without_redis=settings.RATE_LIMIT_WITHOUT_REDIS)


@cache
def _local_cache() -> LocalCache:
    return LocalCache(
        max_copies=settings.SNAPSHOT_COPIES, fresh_s=settings.SNAPSHOT_TTL, on_invalidated=_limiter().forget
    )


@cache
def snapshots() -> Snapshots:
    """Return the snapshot reader of this process."""
    database, shared = DatabaseSnapshots(), link()
    if shared is None:
        return database
    return CachedSnapshots(
        database, _local_cache(), shared, fresh_s=settings.SNAPSHOT_TTL, kept_s=settings.SNAPSHOT_STALE_IF_ERROR
    )


def admission() -> Admission:
    """Build the admission control of the engine."""
    return Admission(_limiter(), Quotas(DatabaseThreads()))  # slow quotas must not delay snapshot reads


async def hold_lease() -> None:
    """Keep the lease on this process's own copies while it serves, if there is a Redis."""
    if (shared := link()) is not None:
        await Lease(_local_cache(), shared, catch_up=_catch_up).hold()


async def tend_limits() -> None:
    """Give unspent tokens back to Redis while this process serves."""
    await _limiter().tend()


async def drain_outbox() -> None:
    """Flush the outbox while this process serves: the worker may be dead.

    Runs twice in the time of a lease. A writer killed after its commit leaves processes with different states until the
    next run.
    """
    while True:
        await asyncio.sleep(DRAIN_EVERY_S)
        try:
            await asyncio.to_thread(_flush_outbox)
        except Exception:  # any failure, such as no free thread: the next run may succeed
            log.exception("outbox.not_drained")


async def _catch_up() -> bool:
    """Announce to the caches all changes committed before now; True if that is done."""
    try:
        return await _catching_up().run(announce_left, deadline=asyncio.get_running_loop().time() + CATCH_UP_WITHIN_S)
    except Unavailable:
        return False


@cache
def _catching_up() -> DatabaseThreads:
    return DatabaseThreads()


def _flush_outbox() -> None:
    close_old_connections()
    try:
        flush_outbox()
    except Error as exc:  # the worker's schedule, or the next process to catch up, flushes it later
        log.warning("outbox.not_flushed", extra={"error": type(exc).__name__})
    finally:
        close_old_connections()
