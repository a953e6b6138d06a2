"""Tell a database outage from a programming error: after an outage, the same request may succeed."""

from django.db import InterfaceError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction


def is_read_only(exception: BaseException | None) -> bool:
    """Return True if the database responds but refuses writes, as a standby does."""
    return exception is not None and isinstance(exception.__cause__, ReadOnlySqlTransaction)


def is_outage(exception: BaseException | None) -> bool:
    """Return True if the database did not respond, or refused a write."""
    return isinstance(exception, OperationalError | InterfaceError) or is_read_only(exception)
