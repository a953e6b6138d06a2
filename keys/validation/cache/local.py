"""One process's own copies of snapshots (L1), and the rules for using them. No Redis, no event loop, no clock.

A copy may be used only under three conditions: the process holds a *lease*; the *epoch* in which the copy was stored
(one subscription connection) still lasts; and no invalidation of its name has been read. All of this runs on the event
loop's thread. ``now`` and all instants are seconds of CLOCK_BOOTTIME, which also counts while the machine sleeps.

A process never goes back: after it answered from the database, it uses no copy that may be older. Its own copy is
replaced or dropped. A shared copy counts only if it was read later than that, or if Redis is known to have stored what
the database returned. Answers do not wait for Redis, so this is known only some time after the answer, or never.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keys.validation.types import Snapshot

MAX_UNKNOWN = 10_000
UNKNOWN_FOR_S = 5.0
MAX_READS = 10_000


@dataclass(slots=True)
class Copy:
    """A snapshot; from when a use refreshes it, until when it is fresh, and until when it is kept for an outage.

    All three are on this process's clock.
    """

    snapshot: Snapshot
    refresh_at: float
    fresh_until: float
    kept_until: float


@dataclass(slots=True, eq=False)
class Load:
    """One running read of a name. ``LocalCache`` decides whether its result may be stored and shared.

    A refresh reads a name of which there is a fresh copy; its caller does not wait.
    """

    name: str
    began_at: float
    epoch: int | None
    had_lease: bool
    is_refresh: bool = False
    is_invalidated: bool = False


class LocalCache:
    """The copies of one process; the least recently used copy goes first.

    A validation from these copies takes half of the CPU time of one that asks Redis, and no I/O (``make bench``: "warm
    validate" and "from Redis"). A name that did not exist is remembered for 5 s, so that guesses read no store twice.
    """

    def __init__(
        self, *, max_copies: int, fresh_s: float, on_invalidated: Callable[[Snapshot], None] | None = None
    ) -> None:
        self._copies: OrderedDict[str, Copy] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._loads: dict[str, list[Load]] = {}
        self._reads: OrderedDict[str, float] = OrderedDict()
        self._reads_from = 0.0  # the latest read among those no longer remembered
        self._max_copies = max_copies
        self._fresh_s = fresh_s
        self._on_invalidated = on_invalidated
        self._epochs = 0
        self.epoch: int | None = None
        self.lease_until = 0.0

    def __len__(self) -> int:
        return len(self._copies)

    # --- when copies may be used ---------------------------------------------------------------------------------

    def begin_epoch(self) -> int:
        """Begin an epoch: the subscription was confirmed, in order with its messages. Earlier ones may be missing."""
        self.end_epoch()
        self._epochs += 1
        self.epoch = self._epochs
        return self.epoch

    def end_epoch(self) -> None:
        """End the epoch, the lease and every copy: the subscription is gone."""
        self.epoch = None
        self.lease_until = 0.0
        self.forget()

    def forget(self) -> None:
        """Drop every copy and mark every load: something unknown changed."""
        self._copies.clear()
        self._unknown.clear()
        for loads in self._loads.values():
            for load in loads:
                load.is_invalidated = True

    def extend_lease(self, epoch: int | None, until: float) -> None:
        """Extend the lease after a pong: all messages published before its ping have been read.

        A pong from another epoch is ignored.
        """
        if epoch is not None and epoch == self.epoch:
            self.lease_until = max(self.lease_until, until)

    def has_lease(self, now: float) -> bool:
        """Tell whether copies may be used at ``now``."""
        return now < self.lease_until

    def invalidate(self, names: Iterable[str]) -> None:
        """Drop the copies of these names, and mark their loads. Acknowledge only after this has returned."""
        for name in names:
            copy = self._copies.pop(name, None)
            self._unknown.pop(name, None)
            for load in self._loads.get(name, ()):
                load.is_invalidated = True
            if copy is not None and self._on_invalidated is not None:
                self._on_invalidated(copy.snapshot)

    def doubt(self, names: Iterable[str], now: float) -> None:
        """Drop the copies of these names, and use no shared copy read before ``now``: Redis could not delete them."""
        wanted = list(names)
        self.invalidate(wanted)
        for name in wanted:
            self.note_read(name, now)

    # --- which shared copies may be used -------------------------------------------------------------------------

    def note_read(self, name: str, at: float) -> None:
        """Remember that the database was read at ``at``, and that Redis may hold an older copy of the name."""
        self._reads[name] = at
        self._reads.move_to_end(name)
        if len(self._reads) > MAX_READS:
            self._reads_from = max(self._reads_from, self._reads.popitem(last=False)[1])

    def note_shared(self, name: str, at: float) -> None:
        """Redis stored what was read at ``at``. If that was the last read, later shared copies are no older."""
        if self._reads.get(name) == at:
            del self._reads[name]

    def accepts(self, name: str, read_at: float) -> bool:
        """Tell whether a shared copy read at ``read_at`` is no older than the state this process answered from."""
        return read_at >= self._reads.get(name, self._reads_from)

    # --- copies --------------------------------------------------------------------------------------------------

    def read(self, names: Sequence[str], now: float) -> tuple[dict[str, Snapshot], list[str]]:
        """Return fresh copies, and the names to load: without a copy, or with one to refresh, which is returned, too.

        Without a lease, every name is to be loaded.
        """
        if now >= self.lease_until:
            return {}, list(names)
        found: dict[str, Snapshot] = {}
        wanted: list[str] = []
        for name in names:
            copy = self._copies.get(name)
            if copy is not None and now < copy.refresh_at:
                self._copies.move_to_end(name)
                found[name] = copy.snapshot
            elif copy is not None and now < copy.fresh_until:
                found[name] = copy.snapshot
                wanted.append(name)
            elif not now < self._unknown.get(name, 0.0):  # a lookup a moment ago found nothing
                wanted.append(name)
        return found, wanted

    def put_off_refresh(self, name: str, until: float) -> None:
        """Refresh the copy on no use before ``until``; it does not stay fresh for longer."""
        copy = self._copies.get(name)
        if copy is not None:
            copy.refresh_at = min(until, copy.fresh_until)

    def get_kept(self, name: str, now: float) -> Copy | None:
        """Return the copy for an outage of the database, fresh or not; None without a lease."""
        copy = self._copies.get(name) if self.has_lease(now) else None
        return copy if copy is not None and now < copy.kept_until else None

    # --- loads ---------------------------------------------------------------------------------------------------

    def begin_load(self, name: str, now: float, *, is_refresh: bool = False) -> Load:
        """Begin a read of the name; ``finish`` or ``abandon`` must end it."""
        load = Load(name, began_at=now, epoch=self.epoch, had_lease=self.has_lease(now), is_refresh=is_refresh)
        self._loads.setdefault(name, []).append(load)
        return load

    def is_shared(self, load: Load, now: float) -> bool:
        """Tell whether a caller that comes ``now`` may share the load: only if it could use a copy of that age."""
        return (
            self.has_lease(now)
            and load.epoch == self.epoch
            and not load.is_invalidated
            and now - load.began_at < self._fresh_s
        )

    def finish(self, load: Load, copy: Copy | None) -> None:
        """End the load, and store its result if no invalidation can have been missed since it began.

        ``copy`` is None if the snapshot does not exist.
        """
        self.abandon(load)
        # The caller now gets this result, stored or not. A copy from an earlier load may be older: drop it.
        before = self._copies.pop(load.name, None)
        self._unknown.pop(load.name, None)
        if load.is_invalidated or not load.had_lease or load.epoch != self.epoch:
            return
        if copy is not None:
            if before is not None and before.snapshot == copy.snapshot:
                copy.snapshot = before.snapshot  # verdicts that were cached on this object still hold
            self._copies[load.name] = copy
            if len(self._copies) > self._max_copies:
                self._copies.popitem(last=False)
            return
        self._unknown[load.name] = load.began_at + UNKNOWN_FOR_S
        if len(self._unknown) > MAX_UNKNOWN:
            self._unknown.popitem(last=False)

    def abandon(self, load: Load) -> None:
        """End a load without a result."""
        loads = self._loads[load.name]
        loads.remove(load)
        if not loads:
            del self._loads[load.name]
