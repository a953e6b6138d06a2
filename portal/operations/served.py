"""``manage.py serve`` is the one way into embedded mode, and one of it at a time serves a data folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LOCK = "serve.lock"


class FolderTaken(Exception):
    """Another ``serve`` has the data folder; the text is its address."""


def require_served() -> None:
    """Raise ImproperlyConfigured in a process of embedded mode that ``manage.py serve`` did not start."""
    if settings.EMBEDDED and not settings.SERVED:
        raise ImproperlyConfigured(
            "DATABASE_URL is not set. Start the embedded portal with `python manage.py serve` (or `make run`);"
            " to start its processes yourself, set all production settings (see .env.example)."
        )


@contextmanager
def folder_held(address: str) -> Iterator[None]:
    """Hold the data folder for whoever serves it at the address; raises FolderTaken.

    The kernel lets go when the process ends, however it ends: nothing stale is left to be cleaned up.
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
    """The address at which the data folder is being served; empty where it is not."""
    try:
        with (settings.VAR_DIR / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read()
    except FileNotFoundError:
        pass
    return ""
