"""Invalidate the cached snapshots that a committed change affects, before the change is reported as done.

A service opens ``change()``. Inside the block it writes its rows and its audit event, and names the affected snapshots.
The names go into an outbox row of the same transaction. After the commit, and before the service returns, the names are
flushed together with the names in other outbox rows, up to 500 rows at once. If a process dies in between, its row
remains for a later flush. So no service reports that a change has spread, or was made already, before every earlier
change has reached the caches.

To *announce* names is the first half of a flush: it deletes the shared copies and sends the invalidation to every
process, without waiting for replies.
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
from portal.refusals import Refused
from portal.ui.times import exact_words

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """The caches could not be told, since Redis refused or was unreachable; old copies end by ``effective_by``."""

    effective_by: datetime
    is_refused: bool = False


@dataclass(frozen=True)
class Propagation:
    """How far a change has spread: to every process after ``took_ms``, or by ``effective_by`` at the latest.

    ``processes`` is the number of processes that confirmed; None if they could not be counted.
    """

    took_ms: int
    effective_by: datetime | None = None
    is_refused: bool = False  # Redis responds but refuses writes: this may last
    processes: int | None = None

    def words(self, verb: str) -> str:
        """Return a sentence that begins with the verb: ``Requests are refused everywhere after 12 ms``."""
        if self.effective_by is not None:
            return f"{verb} everywhere {self.soon}at the latest by {exact_words(self.effective_by)}."
        if not self.took_ms and self.processes is None:
            return f"{verb} now."  # without caches, each request reads the database
        who = {None: "", 0: "", 1: ", by 1 process"}.get(self.processes, f", by {self.processes} processes")
        return f"{verb} everywhere after {self.took_ms or 'less than 1'} ms{who}."

    @property
    def soon(self) -> str:
        """Return when a pending change usually takes effect, to precede "at the latest by"; empty if it may last."""
        return "" if self.is_refused else "usually within 2 seconds, "


@dataclass
class Change:
    """A change in progress: the snapshot names that it affects and, after the block, how far it has spread."""

    names: set[str] = field(default_factory=set)
    propagation: Propagation | None = None

    def invalidates(self, *names: str) -> None:
        """Add snapshot names such as ``secret:<digest>`` or ``org:<id>``."""
        self.names.update(names)

    @property
    def spread(self) -> Propagation:
        """Return how far the change has spread; raise RuntimeError before the block has ended without an error."""
        if self.propagation is None:
            raise RuntimeError("the change has not been committed")
        return self.propagation


_group: ContextVar[Change | None] = ContextVar("group", default=None)
AT_ONCE = 500  # outbox rows
_LATEST = timedelta(seconds=settings.SNAPSHOT_STALE_IF_ERROR + 3.2)

# The number of processes that confirmed, None if they could not be counted, or Pending if the caches could not be told.
Flush = Callable[[Iterable[str]], int | Pending | None]
Announce = Callable[[Iterable[str]], bool]
_flush: Flush | None = None
_announce: Announce | None = None


def register_flush(flush: Flush | None, *, announce: Announce | None = None) -> None:
    """Set the functions that tell the caches. ``flush`` returns once every process has confirmed, or cannot be told.

    ``announce`` returns True if the shared copies were deleted and the message was published.
    """
    global _flush, _announce  # set once, as the app starts
    _flush, _announce = flush, announce


@contextmanager
def change() -> Iterator[Change]:
    """Open a durable transaction for a change to verdicts; leaving the block commits, then invalidates.

    A change may be refused because it was made already. So the outbox is flushed before Refused leaves the block: the
    earlier change has then reached the caches.
    """
    pending = Change()
    try:
        with transaction.atomic(durable=True):
            yield pending
            if pending.names and _flush:
                OutboxEntry.objects.create(names=sorted(pending.names))
    except Refused:
        if _flush and _group.get() is None:
            flush_outbox()
        raise
    pending.propagation = _committed(pending.names)


@contextmanager
def batch_changes() -> Iterator[Change]:
    """Gather many changes, and tell the caches once when the block ends; the yielded Change tells how far they spread.

    Each change inside commits separately, and its own propagation is only an upper bound on the time.
    """
    if _group.get() is not None:
        raise RuntimeError("changes are already being gathered")
    group = Change()
    token = _group.set(group)
    try:
        yield group
    finally:
        _group.reset(token)
        group.propagation = _tell(group.names)


def flush_outbox() -> int:
    """Tell the caches about changes whose own process could not; return how many. Repeating it is harmless."""
    left = _left()
    if not left:
        return 0
    spread = _tell_all(set(), left)
    return len(left) if spread.effective_by is None else 0


def announce_left() -> bool:
    """Announce all changes that their own processes could not; return True if every earlier commit is now announced.

    The rows stay for a flush, which waits for every process.
    """
    left = _left()
    if not left:
        return True
    return len(left) < AT_ONCE and _announce is not None and _announce(_names_of(left))


def _committed(names: set[str]) -> Propagation:
    group = _group.get()
    if group is None or not _flush:
        return _tell(names)
    group.invalidates(*names)
    return Propagation(0, timezone.now() + _LATEST)


def _tell(names: set[str]) -> Propagation:
    """Flush the names of committed changes, together with the names in the outbox."""
    if not _flush:
        return Propagation(0)
    try:
        left = _left()
    except Error as exc:  # the change is committed; it is reported as spread only if that is known
        log.warning("outbox.not_read", extra={"error": type(exc).__name__})
        _tell_all(names, [])
        return Propagation(0, timezone.now() + _LATEST)
    spread = _tell_all(names, left)
    return spread if len(left) < AT_ONCE else Propagation(spread.took_ms, timezone.now() + _LATEST)


def _left() -> list[OutboxEntry]:
    return list(OutboxEntry.objects.order_by("pk")[:AT_ONCE])


def _tell_all(names: set[str], left: list[OutboxEntry]) -> Propagation:
    """Flush the change's own names and the outbox rows' names; delete the rows once every process has confirmed."""
    started = time.monotonic()
    names = names | _names_of(left)
    heard = _flush(names) if names and _flush else None
    if left and not isinstance(heard, Pending):
        try:
            OutboxEntry.objects.filter(pk__in=[entry.pk for entry in left]).delete()
        except Error as exc:  # every process has confirmed: a later flush only repeats it
            log.warning("outbox.not_emptied", extra={"entries": len(left), "error": type(exc).__name__})
    took_ms = round((time.monotonic() - started) * 1000)
    if isinstance(heard, Pending):
        return Propagation(took_ms, heard.effective_by, is_refused=heard.is_refused)
    return Propagation(took_ms, processes=heard)


def _names_of(entries: Iterable[OutboxEntry]) -> set[str]:
    return {name for entry in entries for name in entry.names}
