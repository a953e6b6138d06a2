"""Notice a connection pooler between this process and PostgreSQL.

A pooler in transaction mode may give each transaction another connection to the server. Statements that are prepared on
one do not exist on the next, so the hot path has to know of it.
"""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections


def require_named_pooler() -> None:
    """Raise ImproperlyConfigured if ``DATABASE_URL`` leads to a pooler and ``DATABASE_POOLER`` does not say so.

    If the database does not answer, nothing is known and nothing is raised.
    """
    if not settings.EMBEDDED and settings.DATABASE_POOLER is None and _finds_pooler():
        raise ImproperlyConfigured(
            "DATABASE_URL leads to a connection pooler, such as PgBouncer. Set DATABASE_POOLER=transaction, which works"
            " with session mode, too."
        )


def _finds_pooler() -> bool:
    """Tell whether the process that the connection began with is not the one that answers."""
    import psycopg  # embedded mode needs no PostgreSQL driver

    parameters = connections["default"].get_connection_params()
    del parameters["cursor_factory"], parameters["context"]  # Django's own
    try:
        with psycopg.connect(**parameters, autocommit=True) as connection:
            return connection.execute("SELECT pg_backend_pid()").fetchone() != (connection.pgconn.backend_pid,)
    except psycopg.Error:
        return False
