"""Tell the caches what a committed change touched, before the change answers.

A service opens ``change()``; inside it writes its rows and its audit event and names the snapshots it touched. The
names go into an outbox row of the same transaction. After the commit, and before the service returns, they are
flushed: if the process dies in between, the row is still there for whoever flushes next.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from portal.models import OutboxEntry


@dataclass(frozen=True)
class Propagation:
    """How far a change has spread: refused everywhere after ``took_ms``, or at the latest at ``effective_by``."""

    took_ms: int
    effective_by: datetime | None = None


@dataclass
class Change:
    """One change in the making: the snapshot names it touches, and how it spread once the block is left."""

    names: set[str] = field(default_factory=set)
    propagation: Propagation | None = None

    def touch(self, *names: str) -> None:
        """Add snapshot names such as ``secret:<digest>`` or ``org:<id>``."""
        self.names.update(names)

    @property
    def spread(self) -> Propagation:
        """How the change spread; only after the block was left without an error."""
        if self.propagation is None:
            raise RuntimeError("the change has not been committed")
        return self.propagation


Flush = Callable[[Iterable[str]], datetime | None]
_flush: Flush | None = None


def register_flush(flush: Flush) -> None:
    """Set what tells the caches: it returns None once every process has heard, else when the last one will have."""
    global _flush  # noqa: PLW0603  # set once, as the app starts
    _flush = flush


@contextmanager
def change() -> Iterator[Change]:
    """One durable transaction for a change to a verdict; leaving the block commits, then invalidates."""
    pending = Change()
    with transaction.atomic(durable=True):
        yield pending
        entry = OutboxEntry.objects.create(names=sorted(pending.names)) if pending.names and _flush else None
    pending.propagation = committed(pending.names, entry)


def committed(names: Iterable[str], entry: OutboxEntry | None = None) -> Propagation:
    """Flush the names of a change that has been committed; its outbox row goes once everyone has heard."""
    started = time.monotonic()
    effective_by = _flush(names) if _flush else None
    if entry is not None and effective_by is None:
        entry.delete()
    return Propagation(round((time.monotonic() - started) * 1000), effective_by)
