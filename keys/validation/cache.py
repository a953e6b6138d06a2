"""The snapshots and limits of this process: shared over Redis where there is one, else its own and the database's."""

import asyncio
import contextlib
import logging
from functools import cache

from django.conf import settings
from django.db import Error, close_old_connections

from keys.validation.allowances import Allowances
from keys.validation.database import DatabaseSnapshots, DatabaseThreads, Snapshots
from keys.validation.lease import Lease
from keys.validation.local import Local
from keys.validation.quotas import Quotas
from keys.validation.ratelimit import RateLimiter
from keys.validation.redis_link import Link
from keys.validation.snapshots import CachedSnapshots
from portal.outbox import flush_outbox

CATCH_UP_WITHIN_S = 3.0
DRAIN_EVERY_S = 1.0

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
        await Lease(_local(), shared, before_trust=_catch_up).hold()


async def tend_limits() -> None:
    """Give back what this process does not spend, for as long as it serves."""
    await _limiter().tend()


async def drain_outbox() -> None:
    """Each second, tell what some process could not, for as long as this one serves: the worker may be dead."""
    while True:
        await asyncio.sleep(DRAIN_EVERY_S)
        try:
            await asyncio.to_thread(_flush_outbox)
        except RuntimeError:  # no thread can be started: the next second may have one
            log.exception("outbox.not_drained")


async def _catch_up() -> None:
    """After an outage of Redis: tell what could not be told meanwhile, if the database answers soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CATCH_UP_WITHIN_S):
            await asyncio.to_thread(_flush_outbox)


def _flush_outbox() -> None:
    close_old_connections()
    try:
        flush_outbox()
    except Error as exc:  # the worker's schedule, or the next process to recover, comes to it
        log.warning("outbox.not_flushed", extra={"error": type(exc).__name__})
    finally:
        close_old_connections()
