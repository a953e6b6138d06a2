"""Parts of the caches around decisions: keys that hold no credential's text, and the snapshots of a decision.

Each process draws a random key for its digests. An entry holds a credential that was found. Guesses by strangers are
never stored, so they fill nothing. A full cache drops its oldest entry.
"""

import os
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Generic, Self, TypeVar
from weakref import ref

from django.core.signals import setting_changed
from msgspec import Struct

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


class Basis(Struct, frozen=True, gc=False):
    """The snapshots that a decision was made from, by name; None for a name that had none.

    The decision is current while none of them was replaced. Large snapshots are held weakly, so that a cached decision
    keeps no replaced one in memory. A client can have a new one made as often as it likes, and each may list a thousand
    revoked tokens. A process may keep one for each key, so it stays out of garbage collection, as snapshots do.
    """

    names: tuple[str, ...]
    kept: "tuple[Snapshot | ref[Any] | None, ...]"

    @classmethod
    def of(cls, found: Mapping[str, Snapshot], names: tuple[str, ...]) -> Self:
        """Return the basis of a decision that was made from these names of ``found``."""
        return cls(names, tuple(map(_held, map(found.get, names))))

    def is_current(self, found: Mapping[str, Snapshot]) -> bool:
        """Tell whether the same snapshots are in ``found``. An equal snapshot is another one."""
        for name, kept in zip(self.names, self.kept, strict=True):
            snapshot = found.get(name)
            if isinstance(kept, ref):
                if snapshot is None or kept() is not snapshot:
                    return False
            elif kept is not snapshot:
                return False
        return True


def _held(snapshot: Snapshot | None) -> "Snapshot | ref[Any] | None":
    return ref(snapshot) if isinstance(snapshot, ApiSnapshot | ClientSnapshot | SigningKeysSnapshot) else snapshot
