"""The threads behind the pages: shared fairly, with a bounded queue."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from portal.edge.byte_budget import SHARE_BYTES, TOTAL_BYTES, ByteBudget, OverBudget
from portal.edge.page_threads import MAX_WAITING, MAX_WAITING_SHARE, SHARE, THREADS, PagesBusy, PageThreads

GREEDY, OTHER = "203.0.113.7", "203.0.113.8"


class Visitors:
    """Requests that stay in their threads until they are let go."""

    def __init__(self) -> None:
        self.threads = PageThreads()
        self.running: list[str] = []
        self.refused: list[str] = []
        self._go = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, address: str, number: int) -> None:
        """So many requests from this address."""
        self._tasks += [asyncio.ensure_future(self._visit(address)) for _ in range(number)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _visit(self, address: str) -> None:
        try:
            async with self.threads.one_for(address):
                self.running.append(address)
                await self._go.wait()
        except PagesBusy:
            self.refused.append(address)

    async def leave(self) -> None:
        """All are let go."""
        self._go.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self) -> None:
        """All are given up."""
        for task in self._tasks:
            task.cancel()


def run(story: Callable[[Visitors], Awaitable[None]]) -> Visitors:
    """Tell the story to visitors on a loop of their own."""

    async def tell() -> Visitors:
        visitors = Visitors()
        await story(visitors)
        await visitors.leave()
        return visitors

    return asyncio.run(tell())


def test_one_client_takes_no_more_than_its_share() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come(GREEDY, 40)
        assert visitors.running == [GREEDY] * SHARE
        await visitors.come(OTHER, 1)
        assert visitors.running[-1] == OTHER

    visitors = run(story)
    assert (visitors.running.count(GREEDY), visitors.refused) == (40, [])


def test_one_ipv6_network_is_one_client() -> None:
    async def story(visitors: Visitors) -> None:
        for number in range(THREADS):
            await visitors.come(f"2001:db8::{number}", 1)
        assert len(visitors.running) == SHARE

    run(story)


def test_threads_are_never_more_than_there_are() -> None:
    async def story(visitors: Visitors) -> None:
        for number in range(30):
            await visitors.come(f"203.0.113.{number}", 1)
        assert len(visitors.running) == THREADS

    assert len(run(story).running) == 30


def test_what_waits_is_bounded_in_all_and_for_each_client() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come(GREEDY, SHARE + MAX_WAITING_SHARE + 3)
        assert visitors.refused == [GREEDY] * 3
        for number in range(20, 20 + MAX_WAITING):
            await visitors.come(f"203.0.113.{number}", 1)
        assert len(visitors.refused) > 3

    run(story)


def test_a_request_that_is_given_up_leaves_no_thread_taken() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come(GREEDY, 20)
        visitors.cancel()
        await visitors.leave()
        assert visitors.threads._free == THREADS
        assert not visitors.threads._waiting

    run(story)


def test_the_byte_budget_holds_in_all_and_for_each_client() -> None:
    budget = ByteBudget()
    budget.take(GREEDY, SHARE_BYTES)
    with pytest.raises(OverBudget):
        budget.take(GREEDY, 1)
    for number in range(TOTAL_BYTES // SHARE_BYTES - 1):
        budget.take(f"198.51.100.{number}", SHARE_BYTES)
    with pytest.raises(OverBudget):
        budget.take(OTHER, 1)
    budget.give_back(GREEDY, SHARE_BYTES)
    budget.take(OTHER, SHARE_BYTES)
