"""Tell the caches what a committed change touched, before the change answers.

A service opens ``change()``; inside it writes its rows and its audit event and names the snapshots it touched. The
names go into an outbox row of the same transaction. After the commit, and before the service returns, they are
flushed: if the process dies in between, the row is still there for whoever flushes next.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, transaction
from django.utils import timezone

from portal.models import OutboxEntry

log = logging.getLogger(__name__)


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


@dataclass
class Group(Change):
    """Changes that are told together, and their outbox rows."""

    entries: list[OutboxEntry] = field(default_factory=list)


_group: ContextVar[Group | None] = ContextVar("group", default=None)
_LATEST = timedelta(seconds=settings.SNAPSHOT_STALE_IF_ERROR + 3.2)

Flush = Callable[[Iterable[str]], datetime | None]
_flush: Flush | None = None


def register_flush(flush: Flush | None) -> None:
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
    pending.propagation = _committed(pending.names, entry)


@contextmanager
def together() -> Iterator[Change]:
    """Many changes, told to the caches at once: what the block yields has spread when the block is left.

    Each change inside commits by itself, and says no more than by when it holds at the latest.
    """
    if _group.get() is not None:
        raise RuntimeError("changes are already being gathered")
    group = Group()
    token = _group.set(group)
    try:
        yield group
    finally:
        _group.reset(token)
        group.propagation = _tell(group.names, group.entries)


def flush_outbox(*, at_most: int = 500) -> int:
    """Tell the caches of changes whose own process could not; returns how many. Telling twice does no harm."""
    entries = list(OutboxEntry.objects.order_by("pk")[:at_most])
    if not entries:
        return 0
    spread = _tell({name for entry in entries for name in entry.names}, entries)
    return len(entries) if spread.effective_by is None else 0


def _committed(names: set[str], entry: OutboxEntry | None) -> Propagation:
    group = _group.get()
    if group is None or entry is None:
        return _tell(names, [entry] if entry else [])
    group.touch(*names)
    group.entries.append(entry)
    return Propagation(0, timezone.now() + _LATEST)


def _tell(names: set[str], entries: list[OutboxEntry]) -> Propagation:
    """Flush names whose changes have been committed; their outbox rows go once everyone has heard."""
    started = time.monotonic()
    effective_by = _flush(names) if _flush and names else None
    if entries and effective_by is None:
        try:
            OutboxEntry.objects.filter(pk__in=[entry.pk for entry in entries]).delete()
        except Error as exc:  # everyone has heard: whoever finds the rows tells it again
            log.warning("outbox.not_emptied", extra={"entries": len(entries), "error": type(exc).__name__})
    return Propagation(round((time.monotonic() - started) * 1000), effective_by)
