"""Keep status indexes leased ahead of time, so that issuing a token writes nothing itself.

A lease is for one client, API, generation and signing key. The first lease is small, and each next one has twice the
size. After a lease that expired with more than half unused, the size shrinks. When half of the last lease is used, the
next one is fetched on another thread, where organizations take turns. Indexes that are left after an hour, or when the
process ends, are never used.
"""

import asyncio
import logging
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from django.db import Error, close_old_connections
from django.utils import timezone

from keys.validation.store.clock import boottime
from keys.validation.store.database import Unavailable
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import Owner
from oauth.protocol.jti import BlockOwner, StatusIndex
from oauth.services.status import LEASED_FOR, lease_block

FIRST_COUNT = 16
MAX_COUNT = 4096
MAX_STOCKS = 10_000
EACH = 16  # leases that one organization fetches at once
THREADS = 2
LEASED_FOR_S = LEASED_FOR.total_seconds()

log = logging.getLogger(__name__)


class _Lease(NamedTuple):
    list_number: int
    indexes: list[int]  # unused ones
    half: int
    until: float


class _Stock:
    """The leases of one block owner, and the fetch in progress."""

    def __init__(self) -> None:
        self.leases: deque[_Lease] = deque()  # filled by a thread, emptied here
        self.next_count = FIRST_COUNT
        self.fetching: Future[None] | None = None

    @property
    def is_low(self) -> bool:
        leases = self.leases
        return not leases or (len(leases) == 1 and len(leases[0].indexes) <= leases[0].half)

    @property
    def is_fetching(self) -> bool:
        return self.fetching is not None and not self.fetching.done()

    def take(self, now: float) -> StatusIndex | None:
        while self.leases:
            lease = self.leases[0]
            if lease.indexes and now < lease.until:
                return StatusIndex(lease.list_number, lease.indexes.pop())
            self.leases.popleft()
            if len(lease.indexes) > lease.half:  # it expired with more than half unused: a smaller lease is enough
                self.next_count = max(FIRST_COUNT, lease.half)
        return None


class Leases:
    """Hands out status indexes from leases; one instance per process, called on its event loop."""

    def __init__(self) -> None:
        self._stocks: dict[BlockOwner, _Stock] = {}
        self._threads = SharedThreads("status-leases", threads=THREADS, each=EACH)

    async def take_index(self, owner: BlockOwner, *, deadline: float) -> StatusIndex:
        """A status index that no other token has, by ``deadline`` on the event loop's clock; raises Unavailable."""
        stock = self._stocks.get(owner) or self._new_stock(owner)
        while True:
            status_index = stock.take(boottime())
            if stock.is_low and not stock.is_fetching:
                self._fetch(owner, stock)
            if status_index is not None:
                return status_index
            if stock.fetching is None:
                raise Unavailable("busy")
            try:
                async with asyncio.timeout_at(deadline):
                    await asyncio.shield(asyncio.wrap_future(stock.fetching))  # other requests wait for it too
            except TimeoutError:
                raise Unavailable("timeout") from None
            except Error as exc:
                raise Unavailable("error") from exc

    def stop(self) -> None:
        """Stop the threads."""
        self._threads.stop()

    def _new_stock(self, owner: BlockOwner) -> _Stock:
        if len(self._stocks) >= MAX_STOCKS:
            self._stocks.pop(next(iter(self._stocks)))  # wastes that owner's unused indexes, of which there are many
        stock = self._stocks[owner] = _Stock()
        return stock

    def _fetch(self, owner: BlockOwner, stock: _Stock) -> None:
        try:
            stock.fetching = self._threads.submit(Owner(owner.organization_id), partial(_fill, owner, stock))
        except Busy:
            stock.fetching = None


def _fill(owner: BlockOwner, stock: _Stock) -> None:
    """Lease the next block, in this thread."""
    until = boottime() + LEASED_FOR_S
    close_old_connections()
    try:
        block = lease_block(
            owner.client_id,
            owner.api_id,
            generation=owner.generation,
            kid=owner.kid,
            count=stock.next_count,
            now=timezone.now(),
        )
        stock.leases.append(_Lease(block.list_number, block.indexes, stock.next_count // 2, until))
        stock.next_count = min(stock.next_count * 2, MAX_COUNT)
    except Error as exc:
        log.warning("status.not_leased", extra={"client": owner.client_id, "error": type(exc).__name__})
        raise
    finally:
        close_old_connections()


LEASES = Leases()
