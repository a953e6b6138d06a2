"""``manage.py grant_app_role ROLE``: give a database role the rights that the processes need, and no others.

Run it as the owner of the tables, after each ``migrate``. The role's password is read from ``APP_ROLE_PASSWORD``.
"""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from psycopg.sql import SQL, Identifier, Literal

GRANTS = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "REVOKE UPDATE, DELETE ON portal_auditevent, portal_auditseal FROM {role}",
    "REVOKE INSERT, UPDATE ON portal_unsealedevent FROM {role}",
    "REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {role}",
    "GRANT EXECUTE ON FUNCTION prune_audit_chain(text, bigint) TO {role}",
)


class Command(BaseCommand):
    """Create the role if it does not exist, set its password, and grant its rights."""

    help = "Make a database role that owns nothing, and grant it what web, worker and beat need."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role")

    def handle(self, *_args: Any, role: str, **_options: Any) -> None:
        """Grant all rights in one transaction."""
        password = os.environ.get("APP_ROLE_PASSWORD")
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has roles: set DATABASE_URL to the owner of the tables.")
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database(), current_schema()")
            owner, database, schema = cursor.fetchone()
            if role == owner:
                raise CommandError(f"{role} owns the tables: name another role.")
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
            verb = SQL("ALTER") if cursor.fetchone() is not None else SQL("CREATE")
            names = {"role": Identifier(role), "database": Identifier(database), "schema": Identifier(schema)}
            cursor.execute(SQL("{} ROLE {role} LOGIN").format(verb, **names))
            if password:
                # The server's log may hold the statement, so it contains the SCRAM verifier and not the password.
                verifier = connection.connection.pgconn.encrypt_password(
                    password.encode(), role.encode(), b"scram-sha-256"
                )
                cursor.execute(SQL("ALTER ROLE {role} PASSWORD {}").format(Literal(verifier.decode()), **names))
            for grant in GRANTS:
                cursor.execute(SQL(grant).format(**names))
        self.stdout.write(f"{role} may read and write, and owns nothing.")
