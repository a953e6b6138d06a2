"""Django's PostgreSQL backend, with a flush that takes a test's few rows away and brings back those of the migrations.

TRUNCATE makes new files for each table and index, full or empty, and Django would write each migrated row anew, one
statement each: a quarter of a second for every test that commits.
"""

from collections.abc import Sequence
from typing import Any

from django.core.management.color import Style
from django.db.backends.postgresql import base
from django.db.backends.postgresql.creation import DatabaseCreation as PostgresCreation
from django.db.backends.postgresql.operations import DatabaseOperations as PostgresOperations

from tests.support import live

KEPT = "migrated"  # a schema that nothing looks into by itself


class DatabaseCreation(PostgresCreation):
    """Copies the run's migrated database, and keeps what the migrations put in beside the tables it belongs to."""

    def sql_table_creation_suffix(self) -> str:
        """What follows CREATE DATABASE."""
        return f"TEMPLATE {live.migrated()}"

    def serialize_db_to_string(self) -> str:
        """Copy each table that has rows; returns the nothing that is left to be written anew."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {KEPT}")
            for table in self.connection.introspection.django_table_names(only_existing=True):
                cursor.execute(f"CREATE TABLE {KEPT}.{table} AS TABLE {table}")
                if not cursor.rowcount:
                    cursor.execute(f"DROP TABLE {KEPT}.{table}")
        return "[]"

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        """Drop it under whoever still holds a connection: threads that read for a process, which is about to end."""
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {self.connection.ops.quote_name(test_database_name)} WITH (FORCE)")


class DatabaseOperations(PostgresOperations):
    """Empties tables by DELETE, those that refuse it too."""

    def sql_flush(
        self, style: Style, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
    ) -> list[str]:
        """The statements of a flush: no trigger and no foreign key is asked while it runs."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [KEPT])
            kept = [name for (name,) in cursor.fetchall()]
        delete = [f"DELETE FROM {table}" for table in tables]  # noqa: S608  # names come from the database
        insert = [f"INSERT INTO {table} TABLE {KEPT}.{table}" for table in kept]
        return ["SET LOCAL session_replication_role = replica", "; ".join(delete + insert)]


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL with that flush."""

    creation_class: Any = DatabaseCreation
    ops_class: Any = DatabaseOperations
