"""Limit concurrent exports: one per person, and few per process, so that validations stay fast."""

import threading
from collections.abc import Iterable, Iterator

from django.core.cache import cache

AT_ONCE = 2  # per process
LASTS_AT_MOST_S = 150  # a little longer than a client has to read the response

_places = threading.BoundedSemaphore(AT_ONCE)


class Export:
    """The body of an export, and its place among the running exports. Closing the response frees the place."""

    def __init__(self, pieces: Iterable[str], person: str) -> None:
        self._pieces = pieces
        self._person = person
        self._is_open = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._pieces)

    def close(self) -> None:
        """Free the place, once. Django calls this whether or not the body was read."""
        if self._is_open:
            self._is_open = False
            _places.release()
            cache.delete(self._person)

    def __del__(self) -> None:
        # A response that fails on its way out, such as at storing the session, is dropped without being closed.
        self.close()


def begin_export(pieces: Iterable[str], *, user_id: str) -> Export | None:
    """Start an export; None if the person has one running, or if the process has too many."""
    person = f"export:{user_id}"
    if not _places.acquire(blocking=False):
        return None
    is_first = False
    try:
        is_first = cache.add(person, 1, LASTS_AT_MOST_S)
    finally:
        if not is_first:
            _places.release()
    return Export(pieces, person) if is_first else None
