"""Django's SQLite backend, whose flush (DELETE, where PostgreSQL has TRUNCATE) puts row triggers aside."""

from collections.abc import Sequence
from typing import Any

from django.core.management.color import Style
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations as SqliteOperations


class DatabaseOperations(SqliteOperations):
    """Empties tables that refuse DELETE."""

    def sql_flush(
        self, style: Style, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
    ) -> list[str]:
        """The statements of a flush, between dropping the triggers and making them again."""
        flush = super().sql_flush(style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
        return [*(f"DROP TRIGGER {name}" for name, _ in triggers), *flush, *(sql for _, sql in triggers)]


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite with that flush."""

    ops_class: Any = DatabaseOperations
