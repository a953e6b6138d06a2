"""Build what validates credentials in a process: with its caches over Redis, or on the database alone."""

import asyncio
import logging
from dataclasses import dataclass, field
from functools import cache, partial

from django.conf import settings
from django.db import Error, close_old_connections

from keys.validation.cache.lease import Lease
from keys.validation.cache.local import LocalCache
from keys.validation.cache.snapshots import CachedSnapshots
from keys.validation.engine import Engine
from keys.validation.limits.admission import Admission
from keys.validation.limits.quotas import Quotas
from keys.validation.limits.rate_limiter import RateLimiter
from keys.validation.peppers import PEPPER_ROTATOR, PepperRotator
from keys.validation.store.database import (
    DatabaseSnapshots,
    DatabaseThreads,
    Snapshots,
    ThreadedSnapshots,
    Unavailable,
)
from keys.validation.store.redis_link import Link
from keys.validation.usage.recorder import USAGE, UsageRecorder
from portal.outbox import announce_left, flush_outbox

CATCH_UP_WITHIN_S = 0.5  # less than the second after which a silent subscription counts as lost
DRAIN_EVERY_S = 0.4

log = logging.getLogger(__name__)


@dataclass(eq=False)
class HotPath:
    """The engine of a process, and the parts that it is wired of. Without Redis there is no link and no own copy."""

    snapshots: Snapshots
    limiter: RateLimiter = field(default_factory=RateLimiter)
    usage: UsageRecorder = USAGE
    pepper_rotator: PepperRotator = PEPPER_ROTATOR
    link: Link | None = None
    own_copies: LocalCache | None = None
    quotas: Quotas = field(default_factory=lambda: Quotas(DatabaseThreads()))  # slow quotas must delay no snapshot
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        admission = Admission(self.limiter, self.quotas)
        self.engine = Engine(self.snapshots, admission, self.usage, self.pepper_rotator)


def build(database: DatabaseSnapshots, link: Link | None) -> HotPath:
    """Wire a hot path to the database and, if there is one, to Redis."""
    limiter = RateLimiter(link, without_redis=settings.RATE_LIMIT_WITHOUT_REDIS)
    if link is None:
        return HotPath(database, limiter)
    fresh_s, kept_s = settings.SNAPSHOT_TTL, settings.SNAPSHOT_STALE_IF_ERROR
    own_copies = LocalCache(max_copies=settings.SNAPSHOT_COPIES, fresh_s=fresh_s, on_invalidated=limiter.forget)
    cached = CachedSnapshots(database, own_copies, link, fresh_s=fresh_s, kept_s=kept_s)
    return HotPath(cached, limiter, link=link, own_copies=own_copies)


@cache
def hot_path() -> HotPath:
    """Return the hot path of this process, built once."""
    return build(database(), Link() if settings.REDIS_URL else None)


@cache
def database() -> DatabaseSnapshots:
    """Return what reads the database for the hot path of this process."""
    if settings.EMBEDDED:
        return ThreadedSnapshots()
    from keys.validation.store.connections import PostgresSnapshots  # embedded mode needs no PostgreSQL driver

    return PostgresSnapshots()


async def hold_lease() -> None:
    """Keep the lease on this process's own copies while it serves, if there is a Redis."""
    link, own_copies = hot_path().link, hot_path().own_copies
    if link is not None and own_copies is not None:
        await Lease(own_copies, link, catch_up=partial(_catch_up, DatabaseThreads())).hold()


async def tend_limits() -> None:
    """Give unspent tokens back to Redis while this process serves."""
    await hot_path().limiter.tend()


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


async def _catch_up(threads: DatabaseThreads) -> bool:
    """Announce to the caches all changes committed before now; True if that is done."""
    try:
        return await threads.run(announce_left, deadline=asyncio.get_running_loop().time() + CATCH_UP_WITHIN_S)
    except Unavailable:
        return False


def _flush_outbox() -> None:
    close_old_connections()
    try:
        flush_outbox()
    except Error as exc:  # the worker's schedule, or the next process to catch up, flushes it later
        log.warning("outbox.not_flushed", extra={"error": type(exc).__name__})
    finally:
        close_old_connections()
