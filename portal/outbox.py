"""Tell the caches what a committed change touched, before the change answers.

A service opens ``change()``; inside it writes its rows and its audit event and names the snapshots it touched. The
names go into an outbox row of the same transaction. After the commit, and before the service returns, they are
flushed, together with whatever others have left there: if a process dies in between, the row is still there for whoever
flushes next. So nobody is told that a change has spread, or was made before, while an earlier one has not been told.

To *announce* names is the first half of a flush: the shared copies are deleted and every process is told, and nobody is
waited for.
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
    """The caches could not be told, and no old copy is left at ``effective_by``. Redis refused, or was not reached."""

    effective_by: datetime
    is_refused: bool = False


@dataclass(frozen=True)
class Propagation:
    """How far a change has spread: refused everywhere after ``took_ms``, or at the latest at ``effective_by``.

    ``processes`` is how many processes have said that they heard; None where nobody could count them.
    """

    took_ms: int
    effective_by: datetime | None = None
    is_refused: bool = False  # by Redis, which answers and takes no writes: this may last
    processes: int | None = None

    def words(self, verb: str) -> str:
        """A sentence that begins with the verb: ``Refused everywhere after 12 ms, by 4 processes``."""
        if self.effective_by is not None:
            return f"{verb} everywhere {self.soon}at the latest by {exact_words(self.effective_by)}."
        if not self.took_ms and self.processes is None:
            return f"{verb} everywhere from now on."  # without caches, each call reads the database
        who = {None: "", 0: "", 1: ", by 1 process"}.get(self.processes, f", by {self.processes} processes")
        return f"{verb} everywhere after {self.took_ms or 'less than 1'} ms{who}."

    @property
    def soon(self) -> str:
        """When a pending change holds as a rule: words to stand before "at the latest by"; none where it may last."""
        return "" if self.is_refused else "usually within 2 seconds, "


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


_group: ContextVar[Change | None] = ContextVar("group", default=None)
AT_ONCE = 500  # outbox rows
_LATEST = timedelta(seconds=settings.SNAPSHOT_STALE_IF_ERROR + 3.2)

# How many processes have heard, None where nobody could count them; Pending where the caches could not be told.
Flush = Callable[[Iterable[str]], int | Pending | None]
Announce = Callable[[Iterable[str]], bool]
_flush: Flush | None = None
_announce: Announce | None = None


def register_flush(flush: Flush | None, *, announce: Announce | None = None) -> None:
    """Set what tells the caches: ``flush`` returns once every process has heard, or cannot be told.

    ``announce`` returns whether the shared copies were deleted and the message was published.
    """
    global _flush, _announce  # set once, as the app starts
    _flush, _announce = flush, announce


@contextmanager
def change() -> Iterator[Change]:
    """One durable transaction for a change to a verdict; leaving the block commits, then invalidates.

    Where the change is refused, as made before say, what made it so is told before the refusal leaves the block.
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
def together() -> Iterator[Change]:
    """Many changes, told to the caches at once: what the block yields has spread when the block is left.

    Each change inside commits by itself, and says no more than by when it holds at the latest.
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
    """Tell the caches of changes whose own process could not; returns how many. Telling twice does no harm."""
    left = _left()
    if not left:
        return 0
    spread = _tell_all(set(), left)
    return len(left) if spread.effective_by is None else 0


def announce_left() -> bool:
    """Announce what others could not; whether all that was committed before this call has been announced.

    The rows stay for a flush, which waits until every process has heard.
    """
    left = _left()
    if not left:
        return True
    return len(left) < AT_ONCE and _announce is not None and _announce(_names_of(left))


def _committed(names: set[str]) -> Propagation:
    group = _group.get()
    if group is None or not _flush:
        return _tell(names)
    group.touch(*names)
    return Propagation(0, timezone.now() + _LATEST)


def _tell(names: set[str]) -> Propagation:
    """Flush names whose changes have been committed, and with them what is left of others'."""
    if not _flush:
        return Propagation(0)
    try:
        left = _left()
    except Error as exc:  # the change is committed all the same, and said to have spread only where this is known
        log.warning("outbox.not_read", extra={"error": type(exc).__name__})
        _tell_all(names, [])
        return Propagation(0, timezone.now() + _LATEST)
    spread = _tell_all(names, left)
    return spread if len(left) < AT_ONCE else Propagation(spread.took_ms, timezone.now() + _LATEST)


def _left() -> list[OutboxEntry]:
    return list(OutboxEntry.objects.order_by("pk")[:AT_ONCE])


def _tell_all(names: set[str], left: list[OutboxEntry]) -> Propagation:
    """Flush the names, own and left ones; the outbox rows go once everyone has heard."""
    started = time.monotonic()
    names = names | _names_of(left)
    heard = _flush(names) if names and _flush else None
    if left and not isinstance(heard, Pending):
        try:
            OutboxEntry.objects.filter(pk__in=[entry.pk for entry in left]).delete()
        except Error as exc:  # everyone has heard: whoever finds the rows tells it again
            log.warning("outbox.not_emptied", extra={"entries": len(left), "error": type(exc).__name__})
    took_ms = round((time.monotonic() - started) * 1000)
    if isinstance(heard, Pending):
        return Propagation(took_ms, heard.effective_by, is_refused=heard.is_refused)
    return Propagation(took_ms, processes=heard)


def _names_of(entries: Iterable[OutboxEntry]) -> set[str]:
    return {name for entry in entries for name in entry.names}
