"""This process's snapshots: cached where there is a Redis, else straight from the database on every call."""

from functools import cache

from django.conf import settings

from keys.validation.database import DatabaseSnapshots, Snapshots
from keys.validation.lease import Lease
from keys.validation.local import Local
from keys.validation.redis_link import Link
from keys.validation.snapshots import CachedSnapshots

MAX_COPIES = 100_000


@cache
def _parts() -> tuple[Local, Link]:
    return Local(max_copies=MAX_COPIES, fresh_s=settings.SNAPSHOT_TTL), Link()


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
    await Lease(local, link).hold()
