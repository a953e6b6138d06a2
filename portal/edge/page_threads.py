"""Share the page threads fairly: no client takes more than a fifth of them, and a limited number of requests waits.

Busy threads compete with the event loop for the interpreter, so two threads for one client are enough.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from portal.edge.proxies import network_of

THREADS = 10
SHARE = THREADS // 5
MAX_WAITING = 200
MAX_WAITING_SHARE = MAX_WAITING // 4


class PagesBusy(Exception):
    """Too many requests already wait for a thread, in total or from this client."""


class PageThreads:
    """Assign threads to clients, and limit the number of waiting requests. For use on one event loop."""

    def __init__(self, threads: int = THREADS) -> None:
        self._free = threads
        self._running: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def one_for(self, address: str | None) -> AsyncIterator[None]:
        """Hold a thread for this client during the block; raise PagesBusy if too many requests wait."""
        client = network_of(address)
        if not self._may_run(client):
            await self._wait(client)
        else:
            self._begin(client)
        try:
            yield
        finally:
            self._end(client)

    def _may_run(self, client: str) -> bool:
        return self._free > 0 and self._running[client] < SHARE

    def _begin(self, client: str) -> None:
        self._free -= 1
        self._running[client] += 1

    def _end(self, client: str) -> None:
        self._free += 1
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        self._wake_the_next()

    async def _wait(self, client: str) -> None:
        waiting = sum(each == client for each, _ in self._waiting)
        if len(self._waiting) >= MAX_WAITING or waiting >= MAX_WAITING_SHARE:
            raise PagesBusy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((client, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(client)  # the thread was already assigned
            else:
                self._waiting = deque(each for each in self._waiting if each[1] is not turn)
            raise

    def _wake_the_next(self) -> None:
        """Give the free thread to the first waiting request whose client is below its share."""
        for index, (client, turn) in enumerate(self._waiting):
            if not turn.done() and self._may_run(client):
                del self._waiting[index]
                self._begin(client)
                turn.set_result(None)
                return
