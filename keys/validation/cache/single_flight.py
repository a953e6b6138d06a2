"""Load each missing name once: callers that ask for the same name wait for one load.

A caller may share a load only if it could use a copy that was read then (``LocalCache.is_shared``). Another caller must
not get the result of a read that began before it came, so it waits for the next load. All such callers wait for the
same one.

Loads that begin in one turn of the event loop run together. Each runs in the share of its owner, the caller for whom it
began.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from keys.validation.cache.local import Copy, Load, LocalCache
from keys.validation.store.clock import boottime
from keys.validation.store.database import Unavailable
from keys.validation.store.turns import Owner

MAX_NAMES_A_LOAD = 64

log = logging.getLogger(__name__)

Found = Copy | Unavailable | None  # None if the snapshot does not exist
Result = asyncio.Future[Copy | None]
# Load the named snapshots for an owner. Yields results as soon as they are known, each name once.
Loader = Callable[[Mapping[str, Load], Owner], AsyncIterator[Mapping[str, Found]]]


@dataclass(slots=True)
class Flight:
    """A load that is about to start or runs, and the future of its result."""

    load: Load
    result: Result
    owner: Owner


class SingleFlight:
    """The running loads of one process, on its event loop."""

    def __init__(self, local: LocalCache, loader: Loader) -> None:
        self._local = local
        self._loader = loader
        self._running: dict[str, Flight] = {}
        self._next: dict[str, Result] = {}  # awaited by callers that may not share the running load
        self._departing: dict[str, Flight] = {}  # start together, on the loop's next round
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, names: Sequence[str], now: float, owner: Owner) -> dict[str, Result]:
        """Return for each name the result to wait for; begins the loads that are needed.

        A result raises Unavailable if the name could not be loaded. Callers share the futures, so shield each.
        """
        return {name: self._join(name, now, owner) for name in names}

    def _join(self, name: str, now: float, owner: Owner) -> Result:
        running = self._running.get(name)
        if running is None:
            return self._begin(name, asyncio.get_running_loop().create_future(), now, owner)
        if self._local.is_shared(running.load, now):
            return running.result
        if name not in self._next:
            self._next[name] = asyncio.get_running_loop().create_future()
        return self._next[name]

    def _begin(self, name: str, result: Result, now: float, owner: Owner) -> Result:
        if not self._departing:
            asyncio.get_running_loop().call_soon(self._depart)
        flight = Flight(self._local.begin_load(name, now), result, owner)
        self._running[name] = self._departing[name] = flight
        return result

    def _depart(self) -> None:
        """Start the loads that have gathered: one request to Redis costs as much as several verdicts."""
        departing, self._departing = self._departing, {}
        by_owner: dict[Owner, list[str]] = {}
        for name, flight in departing.items():
            by_owner.setdefault(flight.owner, []).append(name)
        for owner, names in by_owner.items():
            for begin in range(0, len(names), MAX_NAMES_A_LOAD):
                flights = {name: departing[name] for name in names[begin : begin + MAX_NAMES_A_LOAD]}
                task = asyncio.create_task(self._fly(flights, owner))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _fly(self, flights: dict[str, Flight], owner: Owner) -> None:
        try:
            async for found in self._loader({name: flight.load for name, flight in flights.items()}, owner):
                for name, result in found.items():
                    self._land(name, flights.pop(name), result)
        except Exception:  # any failure: no caller may be left waiting
            log.exception("snapshots.load_failed")
            if len(flights) > 1:  # load one by one, so that one bad name does not cost the others their answers
                await asyncio.gather(*(self._fly({name: flight}, owner) for name, flight in flights.items()))
                return
        for name, flight in flights.items():
            self._land(name, flight, Unavailable("error"))

    def _land(self, name: str, flight: Flight, found: Found) -> None:
        if isinstance(found, Unavailable):
            self._local.abandon(flight.load)
            flight.result.set_exception(found)
            flight.result.exception()  # perhaps no waiter is left: keep asyncio from logging it
        else:
            self._local.finish(flight.load, found)
            flight.result.set_result(found)
        del self._running[name]
        if name in self._next:
            self._begin(name, self._next.pop(name), boottime(), flight.owner)
