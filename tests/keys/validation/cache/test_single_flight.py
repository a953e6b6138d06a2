"""Who waits for which load, and what of it is shared: without Redis and without a database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from keys.validation.cache.local import Copy, Load, LocalCache
from keys.validation.cache.single_flight import (
    MAX_NAMES_A_LOAD,
    MAX_NAMES_TOGETHER,
    MAX_REFRESHES,
    Found,
    SharedLoad,
    SingleFlight,
)
from keys.validation.store.clock import boottime
from keys.validation.store.database import Unavailable
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import OrganizationSnapshot

pytestmark = pytest.mark.usefixtures("event_loop")
ACME = OrganizationSnapshot(organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=False)
ADA, BEN = Owner("ada"), Owner("ben")


def copy() -> Copy:
    now = boottime()
    return Copy(ACME, refresh_at=now + 15, fresh_until=now + 30, kept_until=now + 300)


@dataclass
class Store:
    """A source: each load waits at the gate, and finds a new copy of every name but those in ``results``."""

    results: dict[str, Found | Exception] = field(default_factory=dict)
    known_early: set[str] = field(default_factory=set)
    loads: list[list[tuple[Owner, str]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(self, loads: Mapping[str, SharedLoad]) -> AsyncIterator[Mapping[str, Found]]:
        """Load as ``CachedSnapshots`` does."""
        self.loads.append([(shared.owner, name) for name, shared in loads.items()])
        yield {name: copy() for name in loads if name in self.known_early}
        await self.gate.wait()
        failed = [found for name in loads if isinstance(found := self.results.get(name), Exception)]
        if failed and not isinstance(failed[0], Unavailable):
            raise failed[0]
        late = [name for name in loads if name not in self.known_early]
        yield {name: self.results.get(name, copy()) for name in late}  # type: ignore[misc]  # raised above


@dataclass
class Process:
    """One process under a lease, and what it loads from."""

    store: Store = field(default_factory=Store)
    local: LocalCache = field(default_factory=lambda: LocalCache(max_copies=1000, fresh_s=30))

    def __post_init__(self) -> None:
        self.local.extend_lease(self.local.begin_epoch(), boottime() + 1000)
        self.loads = SingleFlight(self.local, self.store.load)

    def join(self, *names: str, owner: Owner = STRANGERS) -> list[asyncio.Future[Copy | None]]:
        """A caller comes that misses these names."""
        return list(self.loads.join(names, boottime(), owner).values())


def play(scene: Callable[[Process], Coroutine[Any, Any, None]]) -> None:
    """Run it on a loop of its own."""

    async def run() -> None:
        await scene(Process())

    asyncio.run(run())


async def turns() -> None:
    """Let everything happen that needs nothing more."""
    for _ in range(20):
        await asyncio.sleep(0)


def names_of(store: Store) -> list[list[str]]:
    return [[name for _, name in load] for load in store.loads]


def test_callers_that_miss_the_same_name_get_the_result_of_one_load() -> None:
    async def scene(process: Process) -> None:
        (first,), (second,) = process.join("a"), process.join("a")
        await turns()
        (third,) = process.join("a")
        process.store.gate.set()
        assert await first is await second is await third
        assert names_of(process.store) == [["a"]]
        assert process.local.read(["a"], boottime()) == ({"a": ACME}, [])

    play(scene)


def test_what_is_missed_in_one_turn_is_loaded_together_whoever_the_owners_are() -> None:
    async def scene(process: Process) -> None:
        process.store.gate.set()
        waited = [*process.join("a", "b", owner=ADA), *process.join("c", owner=BEN), *process.join("d", owner=ADA)]
        await asyncio.gather(*waited)
        assert process.store.loads == [[(ADA, "a"), (ADA, "b"), (BEN, "c"), (ADA, "d")]]
        await asyncio.gather(*process.join("e", owner=ADA))
        assert process.store.loads[1:] == [[(ADA, "e")]]

    play(scene)


def shares(process: Process, **names: Owner) -> list[tuple[Owner, list[str]]]:
    loads = {name: SharedLoad(Load(name, 0, None, True), asyncio.Future(), owner) for name, owner in names.items()}
    return process.loads.in_shares(loads)


def test_owners_with_few_names_read_together_in_the_share_of_the_least_busy() -> None:
    async def scene(process: Process) -> None:
        process.join("x", "y", owner=ADA)
        process.join("z", owner=BEN)
        assert shares(process, a=ADA, b=BEN, c=ADA) == [(BEN, ["a", "c", "b"])]
        assert shares(process, a=ADA, c=ADA) == [(ADA, ["a", "c"])]
        process.join("u", "v", owner=BEN)
        assert shares(process, a=ADA, b=BEN) == [(ADA, ["a", "b"])]
        process.store.gate.set()
        await turns()
        process.join("w", owner=ADA)  # loads that have ended do not count
        assert shares(process, a=ADA, b=BEN) == [(BEN, ["a", "b"])]

    play(scene)


def test_an_owner_with_many_names_reads_them_in_its_own_share() -> None:
    async def scene(process: Process) -> None:
        many = {f"n{number}": ADA for number in range(MAX_NAMES_TOGETHER + 1)}
        dov = Owner("dov")
        assert shares(process, **many, b=BEN) == [(ADA, [*many]), (BEN, ["b"])]
        assert shares(process, **many, b=BEN, d=dov) == [(BEN, ["b", "d"]), (ADA, [*many])]

    play(scene)


def test_one_load_has_a_bound() -> None:
    async def scene(process: Process) -> None:
        process.store.gate.set()
        names = [str(number) for number in range(MAX_NAMES_A_LOAD + 1)]
        await asyncio.gather(*process.join(*names))
        assert names_of(process.store) == [names[:-1], names[-1:]]

    play(scene)


def invalidate(process: Process) -> None:
    process.local.invalidate(["a"])


def lose_the_lease(process: Process) -> None:
    process.local.lease_until = 0.0


def begin_an_epoch(process: Process) -> None:
    process.local.extend_lease(process.local.begin_epoch(), boottime() + 1000)


@pytest.mark.parametrize("happens", [invalidate, lose_the_lease, begin_an_epoch])
def test_who_comes_after_shares_the_next_load_and_not_the_running_one(happens: Callable[[Process], None]) -> None:
    async def scene(process: Process) -> None:
        (early,) = process.join("a")
        await turns()
        happens(process)
        late = [*process.join("a"), *process.join("a")]
        await turns()
        assert names_of(process.store) == [["a"]]  # the next begins after it
        process.store.gate.set()
        await early
        assert not any(each.done() for each in late)
        copies = await asyncio.gather(*late)
        assert copies[0] is copies[1]
        assert copies[0] is not early.result()
        assert names_of(process.store) == [["a"]] * 2

    play(scene)


def test_who_has_no_lease_begins_a_load_and_keeps_nothing_of_it() -> None:
    async def scene(process: Process) -> None:
        lose_the_lease(process)
        process.store.gate.set()
        assert await process.join("a")[0] is not None
        begin_an_epoch(process)
        assert process.local.read(["a"], boottime()) == ({}, ["a"])

    play(scene)


def test_a_name_that_is_known_early_does_not_wait_for_the_others() -> None:
    async def scene(process: Process) -> None:
        process.store.known_early.add("a")
        early, late = process.join("a", "b")
        await turns()
        assert (early.done(), late.done()) == (True, False)
        process.store.gate.set()
        assert await late is not None

    play(scene)


def test_a_name_that_does_not_exist_is_an_answer() -> None:
    async def scene(process: Process) -> None:
        process.store.results["a"] = None
        process.store.gate.set()
        assert await process.join("a")[0] is None
        assert process.local.read(["a"], boottime()) == ({}, [])  # and is remembered for a moment

    play(scene)


def test_a_store_that_does_not_answer_fails_its_callers_and_the_next_one_tries_again() -> None:
    async def scene(process: Process) -> None:
        process.store.results["a"] = Unavailable("breaker")
        process.store.gate.set()
        failed, fine = process.join("a", "b")
        with pytest.raises(Unavailable, match="breaker"):
            await failed
        assert await fine is not None
        del process.store.results["a"]
        assert await process.join("a")[0] is not None

    play(scene)


def test_a_name_that_cannot_be_loaded_costs_the_others_nothing() -> None:
    async def scene(process: Process) -> None:
        process.store.results["bad"] = KeyError("bad")
        process.store.known_early.add("a")
        process.store.gate.set()
        early, bad, other = process.join("a", "bad", "b")
        assert await early is not None
        assert await other is not None
        with pytest.raises(Unavailable):
            await bad
        assert sorted(names_of(process.store)[1:]) == [["b"], ["bad"]]  # one by one, but for what was known

    play(scene)


def test_nobody_waits_for_a_name_that_the_load_forgot() -> None:
    async def forgetful(_loads: Mapping[str, SharedLoad]) -> AsyncIterator[Mapping[str, Found]]:
        yield {}

    async def scene(process: Process) -> None:
        loads = SingleFlight(process.local, forgetful)
        (result,) = loads.join(["a"], boottime(), STRANGERS).values()
        with pytest.raises(Unavailable):
            await result

    play(scene)


def test_a_next_load_counts_in_the_share_of_the_one_before() -> None:
    async def scene(process: Process) -> None:
        (early,) = process.join("a", owner=ADA)
        await turns()
        process.local.invalidate(["a"])
        late: Sequence[asyncio.Future[Copy | None]] = process.join("a", owner=BEN)
        process.store.gate.set()
        await asyncio.gather(early, *late)
        assert process.store.loads == [[(ADA, "a")], [(ADA, "a")]]

    play(scene)


def test_a_refresh_begins_once_a_name_while_few_run_and_callers_may_join_it() -> None:
    async def scene(process: Process) -> None:
        process.loads.refresh(["a"], boottime(), ADA)
        process.loads.refresh(["a"], boottime(), ADA)
        (joined,) = process.join("a", owner=BEN)
        names = [f"n{number}" for number in range(MAX_REFRESHES)]
        process.loads.refresh(names, boottime(), ADA)
        await turns()
        assert names_of(process.store) == [["a", *names[:-1]]]
        process.store.gate.set()
        assert await joined is not None
        assert process.local.read(["a"], boottime()) == ({"a": ACME}, [])
        await turns()
        process.loads.refresh(names, boottime(), ADA)  # there is room again
        await turns()
        assert names_of(process.store)[1:] == [names]

    play(scene)


def test_a_refresh_that_fails_makes_room_for_the_next() -> None:
    async def scene(process: Process) -> None:
        names = [f"n{number}" for number in range(MAX_REFRESHES)]
        process.store.results = dict.fromkeys(names, Unavailable("breaker"))
        process.store.gate.set()
        for _ in range(2):
            process.loads.refresh(names, boottime(), ADA)
            await turns()
        assert names_of(process.store) == [names] * 2

    play(scene)


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_load_that_is_cancelled_fails_its_callers_and_the_next_one_begins(has_begun: bool) -> None:
    async def scene(process: Process) -> None:
        process.store.known_early.add("a")
        early, late = process.join("a", "b")
        await asyncio.sleep(0)  # its task is there
        if has_begun:
            await turns()
        process.local.invalidate(["b"])
        (after,) = process.join("b")
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(Unavailable):
            await late
        assert early.done()
        process.store.gate.set()
        assert await after is not None

    play(scene)
