"""Run several processes of the cache side by side on one loop, over a real Valkey. They read from a ``Table``."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import redis

from keys.validation.cache.invalidation import flush
from keys.validation.cache.lease import Lease
from keys.validation.cache.local import LocalCache
from keys.validation.cache.snapshots import CachedSnapshots
from keys.validation.store.clock import boottime
from keys.validation.store.database import ThreadedSnapshots
from keys.validation.store.redis_link import Link, Script, copy_keys, script
from keys.validation.types import OrganizationSnapshot, Snapshot
from portal.outbox import Pending

NAME = "race:acme"
LEASED_WITHIN_S = 10.0
CatchUp = Callable[[], Awaitable[bool]]


class Table:
    """Organizations by id, and a gate that reads wait at once they have read."""

    def __init__(self) -> None:
        self.rows: dict[str, bool] = {"acme": False}
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.reads = 0
        self.gate.set()

    def load(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Load as a registered loader does."""
        found = {each: snapshot_of(each, is_suspended=self.rows[each]) for each in ids if each in self.rows}
        self.reads += 1
        self.reached.set()
        self.gate.wait(10)
        return found

    def stop_reads(self) -> None:
        """Let the next reads wait at the gate."""
        self.gate.clear()
        self.reached.clear()

    async def is_read(self) -> None:
        """Wait until a read stands at the gate."""
        assert await asyncio.to_thread(self.reached.wait, 5)


@dataclass
class Process:
    """The cache of one web process."""

    local: LocalCache
    link: Link
    snapshots: CachedSnapshots

    async def is_suspended(self, name: str = NAME, *, within_s: float = 1.0) -> bool | None:
        """Return the state that it would decide on now; None where the name is unknown."""
        deadline = asyncio.get_running_loop().time() + within_s
        found = (await self.snapshots.read([name], deadline=deadline)).get(name)
        return found.is_suspended if isinstance(found, OrganizationSnapshot) else None

    async def comes_to(self, expected: bool | None, name: str = NAME) -> None:
        """Wait until it decides on that state."""
        async with asyncio.timeout(LEASED_WITHIN_S):
            while await self.is_suspended(name) is not expected:  # noqa: ASYNC110  # what is tested has no event for it
                await asyncio.sleep(0.01)

    def is_due(self, name: str = NAME) -> None:
        """Let the next use of the copy refresh it."""
        self.local.put_off_refresh(name, 0.0)

    @contextmanager
    def stalled_fills(self) -> Iterator[asyncio.Event]:
        """In this context no fill is sent before the event is set."""
        send, released = self.link.run_script, asyncio.Event()

        async def send_later(wanted: Script, *arguments: Any, **options: Any) -> Any:
            if wanted is script("fill"):
                await released.wait()
            return await send(wanted, *arguments, **options)

        with patch.object(self.link, "run_script", send_later):
            yield released

    async def gets_lease(self) -> None:
        """Wait until it may use its own copies."""
        async with asyncio.timeout(LEASED_WITHIN_S):
            while not self.local.has_lease(boottime()):  # noqa: ASYNC110  # what is tested has no event for it
                await asyncio.sleep(0.01)


async def nothing_is_left() -> bool:
    """The outbox is empty."""
    return True


async def end_loads() -> None:
    """End the loads that nobody waits for: one would give its connection back to a link that is closed."""
    loads = asyncio.all_tasks() - {asyncio.current_task()}
    for load in loads:
        load.cancel()
    if loads:
        await asyncio.wait(loads)


@asynccontextmanager
async def running(
    number: int, *, fresh_s: float = 30, kind: type[Lease] = Lease, catch_up: CatchUp = nothing_is_left
) -> AsyncIterator[list[Process]]:
    """So many processes, each under a lease."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(number):
            local, link = LocalCache(max_copies=100, fresh_s=fresh_s), Link()
            process = Process(
                local, link, CachedSnapshots(ThreadedSnapshots(), local, link, fresh_s=fresh_s, kept_s=300)
            )
            holding = asyncio.create_task(kind(local, link, catch_up=catch_up).hold())
            stack.push_async_callback(link.close)
            stack.push_async_callback(end_loads)
            stack.push_async_callback(asyncio.wait, [holding])
            stack.callback(holding.cancel)
            made.append(process)
        for process in made:
            await process.gets_lease()
        await asyncio.to_thread(flush, ["race:nothing"])  # from now on the register is old enough to be believed
        yield made


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on a loop of its own."""
    asyncio.run(scene())


async def suspend(table: Table) -> None:
    """Change the row, and return once every process has heard."""
    table.rows["acme"] = True
    assert not isinstance(await asyncio.to_thread(flush, [NAME]), Pending)


async def stored(valkey: "redis.Redis", name: str = NAME) -> None:
    """Wait until the shared copy is there."""
    async with asyncio.timeout(LEASED_WITHIN_S):
        while not valkey.exists(copy_keys([name])[0]):  # noqa: ASYNC110  # Redis has no event for it
            await asyncio.sleep(0.01)


def snapshot_of(public_id: str, *, is_suspended: bool) -> OrganizationSnapshot:
    """An organization."""
    return OrganizationSnapshot(
        organization_id=public_id, name=public_id, external_id=None, metadata=b"{}", is_suspended=is_suspended
    )
