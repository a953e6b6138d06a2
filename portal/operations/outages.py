"""Tell an outage of the database from a programming error. After an outage, the same request may succeed."""

from django.db import InterfaceError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction


def is_read_only(exception: BaseException | None) -> bool:
    """Whether the database answers and takes no writes, as a standby does."""
    return exception is not None and isinstance(exception.__cause__, ReadOnlySqlTransaction)


def is_outage(exception: BaseException | None) -> bool:
    """Whether the database did not answer, or took no writes."""
    return isinstance(exception, OperationalError | InterfaceError) or is_read_only(exception)
