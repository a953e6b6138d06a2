"""Load each name once: callers that miss the same name wait for one load.

A caller may share a load only if it could use a copy that was read then (``LocalCache.is_shared``). Another caller must
not get the result of a read that began before it came, so it waits for the next load. All such callers wait for the
same one. A refresh is a load that nobody waits for, unless a caller joins it.

Loads that begin in one turn of the event loop run together, whoever their owners are. An owner is the caller for whom a
load began. A read of the database counts in the share of one owner (``in_shares``).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from keys.validation.cache.local import Copy, Load, LocalCache
from keys.validation.store.clock import boottime
from keys.validation.store.database import Unavailable
from keys.validation.store.turns import Owner

MAX_NAMES_A_LOAD = 64
MAX_NAMES_TOGETHER = 8  # of one owner, in a read for several owners
MAX_REFRESHES = 32

log = logging.getLogger(__name__)

Found = Copy | Unavailable | None  # None if the snapshot does not exist
Result = asyncio.Future[Copy | None]


@dataclass(slots=True)
class SharedLoad:
    """A load that is about to start or runs, and the future of its result."""

    load: Load
    result: Result
    owner: Owner


# Load the named snapshots. Yields results as soon as they are known, each name once.
Loader = Callable[[Mapping[str, SharedLoad]], AsyncIterator[Mapping[str, Found]]]


class SingleFlight:
    """The running loads of one process, on its event loop."""

    def __init__(self, local: LocalCache, loader: Loader) -> None:
        self._local = local
        self._loader = loader
        self._running: dict[str, SharedLoad] = {}
        self._next: dict[str, Result] = {}  # awaited by callers that may not share the running load
        self._starting: dict[str, SharedLoad] = {}  # start together, on the loop's next round
        self._by_group: Counter[str] = Counter()  # running loads
        self._refreshes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, names: Sequence[str], now: float, owner: Owner) -> dict[str, Result]:
        """Return for each name the result to wait for; begins the loads that are needed.

        A result raises Unavailable if the name could not be loaded. Callers share the futures, so shield each.
        """
        return {name: self._join(name, now, owner) for name in names}

    def refresh(self, names: Sequence[str], now: float, owner: Owner) -> None:
        """Begin a load of each name that none runs of, as long as few refreshes run."""
        for name in names:
            if name not in self._running and self._refreshes < MAX_REFRESHES:
                self._refreshes += 1
                self._begin(self._local.begin_load(name, now, is_refresh=True), _new_result(), owner)

    def in_shares(self, loads: Mapping[str, SharedLoad]) -> list[tuple[Owner, list[str]]]:
        """Divide the names into reads, each with the owner in whose share it counts.

        Owners with few names read together, in the share of the one whose group has the fewest loads. It would have
        read anyway. So an owner with many loads neither delays the others nor gets more reads than its share.
        """
        names_of = by_owner(loads)
        few = [owner for owner, names in names_of.items() if len(names) <= MAX_NAMES_TOGETHER]
        if len(few) < 2:
            return list(names_of.items())
        together = [name for owner in few for name in names_of.pop(owner)]
        return [(min(few, key=lambda owner: self._by_group[owner.group]), together), *names_of.items()]

    def _join(self, name: str, now: float, owner: Owner) -> Result:
        running = self._running.get(name)
        if running is None:
            return self._begin(self._local.begin_load(name, now), _new_result(), owner)
        if self._local.is_shared(running.load, now):
            return running.result
        if name not in self._next:
            self._next[name] = _new_result()
        return self._next[name]

    def _begin(self, load: Load, result: Result, owner: Owner) -> Result:
        if not self._starting:
            asyncio.get_running_loop().call_soon(self._start)
        self._running[load.name] = self._starting[load.name] = SharedLoad(load, result, owner)
        self._by_group[owner.group] += 1
        return result

    def _start(self) -> None:
        """Start the loads that have gathered: one request to Redis costs as much as several verdicts."""
        starting, self._starting = self._starting, {}
        names = list(starting)
        for first in range(0, len(names), MAX_NAMES_A_LOAD):
            self._run({name: starting[name] for name in names[first : first + MAX_NAMES_A_LOAD]})

    def _run(self, loads: dict[str, SharedLoad]) -> None:
        """Run the loads in a task, and fail those that it leaves: it may be cancelled before it has begun."""

        def end(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            for shared in loads.values():
                self._finish(shared, Unavailable("error"))

        task = asyncio.create_task(self._load(loads))
        self._tasks.add(task)
        task.add_done_callback(end)

    async def _load(self, loads: dict[str, SharedLoad]) -> None:
        """Load, and finish each load as soon as its result is known. The loader may have more to do after the last."""
        try:
            async for found in self._loader(dict(loads)):
                for name, result in found.items():
                    self._finish(loads.pop(name), result)
        except Exception:  # any failure: no caller may be left waiting
            log.exception("snapshots.load_failed")
            if len(loads) > 1:  # load one by one, so that one bad name does not cost the others their answers
                for name in list(loads):
                    self._run({name: loads.pop(name)})

    def _finish(self, shared: SharedLoad, found: Found) -> None:
        load = shared.load
        if isinstance(found, Unavailable):
            self._local.abandon(load)
            shared.result.set_exception(found)
            shared.result.exception()  # perhaps no waiter is left: keep asyncio from logging it
        else:
            self._local.finish(load, found)
            shared.result.set_result(found)
        self._by_group[shared.owner.group] -= 1
        self._refreshes -= load.is_refresh
        del self._running[load.name]
        if load.name in self._next:
            now = boottime()
            self._begin(self._local.begin_load(load.name, now), self._next.pop(load.name), shared.owner)


def by_owner(loads: Mapping[str, SharedLoad]) -> dict[Owner, list[str]]:
    """Return the names of each owner's loads."""
    names_of: dict[Owner, list[str]] = {}
    for name, shared in loads.items():
        names_of.setdefault(shared.owner, []).append(name)
    return names_of


def _new_result() -> Result:
    return asyncio.get_running_loop().create_future()
