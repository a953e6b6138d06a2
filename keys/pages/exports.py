"""Bound how many exports run at once: one for each person, and few in each process, so that validations stay fast."""

import threading
from collections.abc import Iterable, Iterator

from django.core.cache import cache

AT_ONCE = 2  # in this process
LASTS_AT_MOST_S = 150  # a little more than the time in which an answer has to be read

_places = threading.BoundedSemaphore(AT_ONCE)


class Export:
    """An answer's pieces, and a place among the exports that is given back when the answer is closed."""

    def __init__(self, pieces: Iterable[str], person: str) -> None:
        self._pieces = pieces
        self._person = person
        self._is_open = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._pieces)

    def close(self) -> None:
        """Give the place back, once; the answer calls this whether or not it was read."""
        if self._is_open:
            self._is_open = False
            _places.release()
            cache.delete(self._person)

    def __del__(self) -> None:
        # What fails on the answer's way out, such as storing the session, drops it without closing it.
        self.close()


def begin_export(pieces: Iterable[str], *, user_id: str) -> Export | None:
    """Take a place and begin, or None where the person has an export under way, or the process has enough of them."""
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
