"""The snapshots of this process: cached where there is a Redis, else straight from the database on every call."""

import asyncio
import contextlib
import logging
from functools import cache

from django.conf import settings
from django.db import Error, close_old_connections

from keys.validation.database import DatabaseSnapshots, Snapshots
from keys.validation.lease import Lease
from keys.validation.local import Local
from keys.validation.redis_link import Link
from keys.validation.snapshots import CachedSnapshots
from portal.outbox import flush_outbox

CATCH_UP_WITHIN_S = 3.0

log = logging.getLogger(__name__)


@cache
def _parts() -> tuple[Local, Link]:
    return Local(max_copies=settings.SNAPSHOT_COPIES, fresh_s=settings.SNAPSHOT_TTL), Link()


def snapshots() -> Snapshots:
    """What the engine reads through."""
    database = DatabaseSnapshots()
    if not settings.REDIS_URL:
        return database
    local, link = _parts()
    return CachedSnapshots(
        database, local, link, fresh_s=settings.SNAPSHOT_TTL, kept_s=settings.SNAPSHOT_STALE_IF_ERROR
    )


async def hold_lease() -> None:
    """Keep this process's own copies usable, for as long as it serves."""
    local, link = _parts()
    await Lease(local, link, before_trust=_catch_up).hold()


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
