"""Django's SQLite backend, with a flush that brings back what the migrations put in.

Flushing means DELETE here, where PostgreSQL has TRUNCATE: row triggers that refuse it are put aside meanwhile.
"""

from collections.abc import Sequence
from typing import Any

from django.core.management.color import Style
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.creation import DatabaseCreation as SqliteCreation
from django.db.backends.sqlite3.operations import DatabaseOperations as SqliteOperations

KEPT = "migrated_"  # begins the names of the copies


class DatabaseCreation(SqliteCreation):
    """Keeps what the migrations put in beside the tables it belongs to."""

    def serialize_db_to_string(self) -> str:
        """Copy each table; returns the nothing that is left to be written anew."""
        with self.connection.cursor() as cursor:
            for table in self.connection.introspection.django_table_names(only_existing=True):
                cursor.execute(f"CREATE TABLE {KEPT}{table} AS SELECT * FROM {table}")  # noqa: S608  # our own names
        return "[]"


class DatabaseOperations(SqliteOperations):
    """Empties tables that refuse DELETE, and fills them again."""

    def sql_flush(
        self, style: Style, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
    ) -> list[str]:
        """The statements of a flush, between dropping the triggers and making them again."""
        flush = super().sql_flush(style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 9) = %s", [KEPT])
            kept = [name for (name,) in cursor.fetchall()]
        insert = [f"INSERT INTO {name.removeprefix(KEPT)} SELECT * FROM {name}" for name in kept]  # noqa: S608
        return [*(f"DROP TRIGGER {name}" for name, _ in triggers), *flush, *insert, *(sql for _, sql in triggers)]


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite with that flush."""

    creation_class: Any = DatabaseCreation
    ops_class: Any = DatabaseOperations
