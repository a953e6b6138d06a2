"""The snapshots and limits of this process: shared over Redis where there is one, else its own and the database's."""

import asyncio
import logging
from functools import cache

from django.conf import settings
from django.db import Error, close_old_connections

from keys.validation.cache.lease import Lease
from keys.validation.cache.local import Local
from keys.validation.cache.snapshots import CachedSnapshots
from keys.validation.limits.admission import Allowances
from keys.validation.limits.quotas import Quotas
from keys.validation.limits.rate_limiter import RateLimiter
from keys.validation.store.database import DatabaseSnapshots, DatabaseThreads, Snapshots, Unavailable
from keys.validation.store.redis_link import Link
from portal.outbox import announce_left, flush_outbox

CATCH_UP_WITHIN_S = 0.5  # less than the second in which the subscription would be silent
DRAIN_EVERY_S = 0.4

log = logging.getLogger(__name__)


@cache
def link() -> Link | None:
    """How this process reaches Redis, where there is one."""
    return Link() if settings.REDIS_URL else None


@cache
def _limiter() -> RateLimiter:
    return RateLimiter(link(), without_redis=settings.RATE_LIMIT_WITHOUT_REDIS)


@cache
def _local() -> Local:
    return Local(max_copies=settings.SNAPSHOT_COPIES, fresh_s=settings.SNAPSHOT_TTL, on_invalidated=_limiter().forget)


@cache
def snapshots() -> Snapshots:
    """What all of this process reads through."""
    database, shared = DatabaseSnapshots(), link()
    if shared is None:
        return database
    return CachedSnapshots(
        database, _local(), shared, fresh_s=settings.SNAPSHOT_TTL, kept_s=settings.SNAPSHOT_STALE_IF_ERROR
    )


def allowances() -> Allowances:
    """What the engine spends from."""
    return Allowances(_limiter(), Quotas(DatabaseThreads()))  # a busy quota must not keep others' snapshots waiting


async def hold_lease() -> None:
    """Keep this process's own copies usable, for as long as it serves and there is a Redis."""
    if (shared := link()) is not None:
        await Lease(_local(), shared, catch_up=_catch_up).hold()


async def tend_limits() -> None:
    """Give back what this process does not spend, for as long as it serves."""
    await _limiter().tend()


async def drain_outbox() -> None:
    """Tell what some process could not, for as long as this one serves: the worker may be dead.

    Twice in the time of a lease: a writer killed after its commit leaves the processes in two states until then.
    """
    while True:
        await asyncio.sleep(DRAIN_EVERY_S)
        try:
            await asyncio.to_thread(_flush_outbox)
        except Exception:  # whatever it is, such as no thread to be had: the next time may go well
            log.exception("outbox.not_drained")


async def _catch_up() -> bool:
    """Whether the caches have been told of all that was committed before now."""
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
    except Error as exc:  # the worker's schedule, or the next process to recover, comes to it
        log.warning("outbox.not_flushed", extra={"error": type(exc).__name__})
    finally:
        close_old_connections()
