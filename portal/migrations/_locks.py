"""Bound how long a migration waits for a table's lock."""

from typing import Any


def wait_briefly(apps: Any, schema_editor: Any) -> None:
    """Fail soon rather than hold up every validation behind a lock that is waited for."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")
