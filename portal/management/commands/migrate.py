"""``manage.py migrate``: Django's command, one at a time per database, so that concurrent starts all succeed."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

ADVISORY_LOCK = 0x4C61_7463_686B_6579  # "Latchkey"


class Command(DjangoCommand):
    """Migrate after any other process that is migrating has finished."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Take the lock, then migrate. The checks before it also read the database, so they run under the lock, too."""
        connection = connections[options["database"]]
        with _held_on_postgres(connection) if connection.vendor == "postgresql" else _held_on_file():
            return super().execute(*args, **options)


@contextmanager
def _held_on_postgres(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold the lock in a transaction on a separate connection, which a pooler in transaction mode keeps together."""
    holder = connection.copy()
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        yield
        holder.rollback()
    finally:
        holder.close()


@contextmanager
def _held_on_file() -> Iterator[None]:
    with (settings.VAR_DIR / "migrate.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
