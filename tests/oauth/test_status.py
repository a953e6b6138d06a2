"""Places in a status list: each once, scattered, found again; leased without a write for each token."""

import asyncio
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError

from keys.models import Api
from keys.validation.store.database import Unavailable
from oauth import status_leases
from oauth.models import StatusBlock
from oauth.protocol.jti import BlockOwner
from oauth.protocol.status_list import LIST_SIZE, indexes_of, new_seed, slot_of
from oauth.services.clients import IssuedClient
from oauth.services.status import Block
from oauth.status_leases import FIRST_COUNT, Leases

SEED = b"s" * 32
OWNER = BlockOwner("client_1", "api_1", 1)
Lease = Callable[..., Block]


def test_no_index_is_given_to_two_slots() -> None:
    slots = range(0, LIST_SIZE, 17)
    indexes = indexes_of(slots, SEED)
    assert len(set(indexes)) == len(slots)
    assert 0 <= min(indexes) <= max(indexes) < LIST_SIZE


def test_an_index_leads_back_to_its_slot() -> None:
    seed = new_seed()
    slots = (0, 1, 1023, 1024, 777_777, LIST_SIZE - 1)
    assert tuple(slot_of(index, seed) for index in indexes_of(slots, seed)) == slots


def test_neighbouring_slots_do_not_show() -> None:
    indexes = indexes_of(range(1000), SEED)
    near = sum(abs(one - other) < LIST_SIZE // 100 for one, other in pairwise(indexes))
    assert near < 60  # about 20 of 1000 by chance
    assert indexes != indexes_of(range(1000), b"t" * 32)


async def take(leases: Leases, count: int, *, owner: BlockOwner = OWNER, within_s: float = 5.0) -> list[Any]:
    deadline = asyncio.get_running_loop().time() + within_s
    return [await leases.take_index(owner, deadline=deadline) for _ in range(count)]


@pytest.fixture
def leased(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many places each lease asked for; the database is not there."""
    counts: list[int] = []

    def lease(client_id: str, api_id: str, *, generation: int, count: int, now: object, kid: str) -> Block:
        first = sum(counts)
        counts.append(count)
        return Block(1, SEED, range(first, first + count))

    monkeypatch.setattr(status_leases, "lease_block", lease)
    monkeypatch.setattr(status_leases, "close_old_connections", lambda: None)
    return counts


def test_indexes_are_fetched_ahead_and_leases_grow_with_use(leased: list[int]) -> None:
    leases = Leases()
    indexes = asyncio.run(take(leases, 5000))
    assert len(set(indexes)) == 5000
    assert leased[:3] == [FIRST_COUNT, 2 * FIRST_COUNT, 4 * FIRST_COUNT]
    assert max(leased) == status_leases.MAX_COUNT
    assert len(leased) < 12
    leases.stop()


def test_many_callers_at_once_wait_for_one_lease(leased: list[int]) -> None:
    leases = Leases()

    async def scenario() -> list[list[Any]]:
        return await asyncio.gather(*(take(leases, 1) for _ in range(FIRST_COUNT)))

    assert len({index for (index,) in asyncio.run(scenario())}) == FIRST_COUNT
    assert leased[0] == FIRST_COUNT
    leases.stop()


def test_one_organization_that_fetches_many_leases_keeps_no_other_waiting(
    leased: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    leases, is_over = Leases(), threading.Event()
    lease: Lease = vars(status_leases)["lease_block"]

    def wait_for_acme(client_id: str, api_id: str, **more: Any) -> Block:
        if client_id != "other":
            is_over.wait(20)
        return lease(client_id, api_id, **more)

    monkeypatch.setattr(status_leases, "lease_block", wait_for_acme)

    async def scenario() -> tuple[list[Any], list[object]]:
        holders = [BlockOwner(f"client_{number}", "api_1", 1, "org_acme") for number in range(status_leases.EACH + 4)]
        flood = [asyncio.create_task(take(leases, 1, owner=each)) for each in holders]
        await asyncio.sleep(0)
        others = await take(leases, 1, owner=BlockOwner("other", "api_1", 1, "org_initech"))
        is_over.set()
        return others, await asyncio.gather(*flood, return_exceptions=True)

    others, flood = asyncio.run(scenario())
    assert len(others) == 1
    assert sum(isinstance(each, Unavailable) for each in flood) == 4
    leases.stop()


def test_a_lease_that_is_over_is_not_used(leased: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    leases = Leases()
    monkeypatch.setattr(status_leases, "LEASED_FOR_S", -1.0)

    async def scenario() -> None:
        await take(leases, 1, within_s=0.2)

    with pytest.raises(Unavailable):
        asyncio.run(scenario())
    leases.stop()


def test_what_was_leased_before_the_machine_slept_is_not_used(
    leased: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    leases, clock = Leases(), [0.0]
    monkeypatch.setattr(status_leases, "boottime", lambda: clock[0])

    async def scenario() -> list[Any]:
        before = await take(leases, 1)
        clock[0] += status_leases.LEASED_FOR_S
        return before + await take(leases, 1)

    before, after = asyncio.run(scenario())
    assert slot_of(before.idx, SEED) < FIRST_COUNT <= slot_of(after.idx, SEED)
    leases.stop()


def test_without_a_database_there_is_no_index_and_no_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Block:
        raise OperationalError("gone")

    monkeypatch.setattr(status_leases, "lease_block", fail)
    monkeypatch.setattr(status_leases, "close_old_connections", lambda: None)
    leases = Leases()
    with pytest.raises(Unavailable):
        asyncio.run(take(leases, 1))
    leases.stop()


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_processes_share_a_list_and_never_an_index(issued: IssuedClient, api: Api) -> None:
    owner = BlockOwner(issued.credential.public_id, api.public_id, 1)
    processes = [Leases(), Leases()]

    async def scenario() -> list[Any]:
        taken = await asyncio.gather(*(take(each, 40, owner=owner) for each in processes))
        return [index for indexes in taken for index in indexes]

    assert len(set(asyncio.run(scenario()))) == 80
    for leases in processes:
        leases.stop()
    assert set(StatusBlock.objects.values_list("client__public_id", "generation")) == {(issued.credential.public_id, 1)}
