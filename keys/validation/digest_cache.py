"""What the caches around decisions are made of: keys that hold no credential's text, and the snapshots of a decision.

Each process draws a random key for its digests. An entry holds a credential that was found. Guesses by strangers are
never stored, so they fill nothing. A full cache drops its oldest entry.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Generic, TypeVar
from weakref import ref

from django.core.signals import setting_changed

from keys.validation.types import ApiSnapshot, ClientSnapshot, SigningKeysSnapshot, Snapshot

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


class Basis:
    """The snapshots that a decision was made from. The decision is current while none of them was replaced.

    Large snapshots are held weakly, so that a cached decision keeps no replaced one in memory. A client can have a new
    one made as often as it likes, and each may list a thousand revoked tokens.
    """

    __slots__ = ("_snapshots",)

    def __init__(self, found: Mapping[str, Snapshot], names: Iterable[str]) -> None:
        self._snapshots = tuple((name, _reference(found[name])) for name in names if name in found)

    def is_current(self, found: Mapping[str, Snapshot]) -> bool:
        """Tell whether the same snapshots are in ``found``. An equal snapshot is another one."""
        for name, reference in self._snapshots:
            snapshot = found.get(name)
            if snapshot is None or snapshot is not reference():
                return False
        return True


def _reference(snapshot: Snapshot) -> Callable[[], Snapshot | None]:
    if isinstance(snapshot, ApiSnapshot | ClientSnapshot | SigningKeysSnapshot):
        return ref(snapshot)
    return lambda: snapshot
