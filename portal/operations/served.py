"""Decide whether a process may serve. Only one ``manage.py serve`` at a time uses a data folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal.operations.pooler import require_named_pooler

LOCK = "serve.lock"


class FolderTaken(Exception):
    """Another ``serve`` uses the data folder; the text is its address."""


def require_served() -> None:
    """Raise ImproperlyConfigured if this process must not serve with these settings.

    In embedded mode ``manage.py serve`` has to have started it. In production mode a pooler has to be named.
    """
    if settings.EMBEDDED and not settings.SERVED:
        raise ImproperlyConfigured(
            "DATABASE_URL is not set. Start the embedded portal with `python manage.py serve` (or `make run`);"
            " to start its processes yourself, set all production settings (see .env.example)."
        )
    require_named_pooler()


@contextmanager
def folder_held(address: str) -> Iterator[None]:
    """Lock the data folder for the process that serves it at ``address``; raise FolderTaken.

    The kernel releases the lock when the process ends in any way, so no stale lock remains.
    """
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.VAR_DIR / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise FolderTaken(lock.read()) from None
        lock.truncate(0)
        lock.write(address)
        lock.flush()
        yield


def served_at() -> str:
    """Return the address at which the data folder is being served; empty if it is not."""
    try:
        with (settings.VAR_DIR / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read()
    except FileNotFoundError:
        pass
    return ""
