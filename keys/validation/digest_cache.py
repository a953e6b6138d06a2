"""A cache of parsed credentials whose keys are keyed digests, so that no credential text stays in memory.

Each process draws a random key for its digests. An entry holds a credential that was found. A verdict cached inside an
entry applies only while the snapshots behind it are unchanged. Guesses by strangers are never stored, so they fill
nothing. A full cache drops its oldest entry.
"""

import os
from hashlib import blake2b
from typing import Generic, TypeVar

from django.core.signals import setting_changed

Value = TypeVar("Value")

_keyed = blake2b(key=os.urandom(32), digest_size=32)


def keyed_digest(text: bytes) -> bytes:
    """Return the digest that stands for the text in this process's caches."""
    hasher = _keyed.copy()
    hasher.update(text)
    return hasher.digest()


class DigestCache(Generic[Value]):
    """A bounded cache of found credentials, by keyed digest of their text."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._values: dict[bytes, Value] = {}
        self.get = self._values.get
        setting_changed.connect(self._forget)  # entries depend on settings, which only tests change

    def remember(self, cache_key: bytes, value: Value) -> None:
        """Store the credential found for this digest."""
        if len(self._values) >= self._max_entries and cache_key not in self._values:
            del self._values[next(iter(self._values))]
        self._values[cache_key] = value

    def _forget(self, **_: object) -> None:
        self._values.clear()
