"""Know again what was right once, without keeping it: by a digest under a key that this process drew for itself.

What is remembered of a text is what it was found to be. What follows from it is asked anew each time, or kept for the
very snapshots that it was decided of. Only what is right is remembered, whatever strangers make up; and where there is
no room, the oldest goes.
"""

import os
from hashlib import blake2b
from typing import Generic, TypeVar

from django.core.signals import setting_changed

Known = TypeVar("Known")

_keyed = blake2b(key=os.urandom(32), digest_size=32)


def mark_of(text: bytes) -> bytes:
    """What the text is known again by."""
    hasher = _keyed.copy()
    hasher.update(text)
    return hasher.digest()


class Memo(Generic[Known]):
    """What texts were found to be, by their marks."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._known: dict[bytes, Known] = {}
        self.get = self._known.get
        setting_changed.connect(self._forget)  # what was found may hang on settings, which only tests change

    def remember(self, mark: bytes, known: Known) -> None:
        """The text of this mark was right."""
        if len(self._known) >= self._max_entries and mark not in self._known:
            del self._known[next(iter(self._known))]
        self._known[mark] = known

    def _forget(self, **_: object) -> None:
        self._known.clear()
