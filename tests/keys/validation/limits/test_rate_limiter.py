"""Several processes with a real Valkey never admit more than the limits say, and waste little of what they allow."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from keys.validation.limits import rate_limiter
from keys.validation.limits.gcra import LimitStatus
from keys.validation.limits.rate_limiter import RateLimiter, WithoutRedis
from keys.validation.limits.token_batches import TOKEN_BATCH_LIVES_MS, token_batch_size
from keys.validation.store.redis_link import Link, Script, bucket_keys
from keys.validation.types import Limit, Limits
from tests.support import environment
from tests.support.devservices import Service, start_valkey
from tests.support.oauth.memory import world

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="without a Redis there is one process")
FAST, SLOW = Limit("default", 1000, 1, "key_1"), Limit("daily", 10, 86_400, "key_1")


def limits_of_key(*limits: Limit) -> Limits:
    """Such limits of one key."""
    return Limits(
        "key_1", "org_1", tuple(msgspec.structs.replace(limit, owner=limit.owner or "key_1") for limit in limits)
    )


class Clock:
    """The time of the processes and, by a script that asks for it, of Valkey."""

    def __init__(self, valkey: "redis.Redis") -> None:
        self._valkey = valkey
        self.us = 0
        self.forward(1_000_000_000)

    def forward(self, us: int) -> None:
        """Let this much time go by."""
        self.us += us
        self._valkey.mset({"clock:s": self.us // 1_000_000, "clock:us": self.us % 1_000_000})

    def now(self) -> float:
        """Seconds."""
        return self.us / 1_000_000


class Processes:
    """Rate limiters side by side, each with connections of its own; counts what it asks Valkey."""

    def __init__(self, number: int) -> None:
        self.links = [Link() for _ in range(number)]
        self.limiters = [RateLimiter(link) for link in self.links]

    async def take(self, process: int, *limits: Limit, cost: int = 1) -> LimitStatus:
        """As the engine does."""
        limiter, every = self.limiters[process], limits_of_key(*limits)
        status = limiter.try_admit_locally(every, cost=cost) or await limiter.admit(every, cost=cost)
        assert status is not None
        return status


@pytest.fixture
def clock(valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time that tests move."""
    timed = Script("spend")
    told = b"{redis.call('GET', 'clock:s'), redis.call('GET', 'clock:us')}"
    timed.text = timed.text.replace(b"redis.call('TIME')", told)
    timed.sha = valkey.script_load(timed.text.decode())
    made = Clock(valkey)
    monkeypatch.setattr(rate_limiter, "script", lambda _: timed)
    monkeypatch.setattr(rate_limiter, "boottime", made.now)
    monkeypatch.setattr(rate_limiter, "ASK_WITHIN_S", 10)  # a busy machine is no outage
    return made


def play(number: int, scene: Callable[[Processes], Coroutine[Any, Any, None]]) -> None:
    """Run it with so many processes, on a loop of its own."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            processes = Processes(number)
            for link in processes.links:
                stack.push_async_callback(link.close)
            await scene(processes)

    asyncio.run(run())


def commands(valkey: "redis.Redis") -> int:
    """How many scripts were run."""
    found: dict[str, dict[str, int]] = valkey.info("commandstats")
    return found.get("cmdstat_evalsha", {"calls": 0})["calls"]


def test_a_burst_is_a_burst_over_all_processes_and_refills_at_the_rate(clock: Clock) -> None:
    async def scene(processes: Processes) -> None:
        taken = [await processes.take(number % 3, SLOW) for number in range(12)]
        assert [status.is_admitted for status in taken] == [True] * 10 + [False] * 2
        assert [status.remaining for status in taken] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
        assert taken[-1].retry_after_s == pytest.approx(8640)
        clock.forward(8_640_000_000)
        assert [(await processes.take(process, SLOW)).is_admitted for process in (2, 0)] == [True, False]

    play(3, scene)


@pytest.mark.parametrize("limits", [(), (FAST,)])
def test_what_is_held_for_a_client_goes_back_when_it_changes(clock: Clock, limits: tuple[Limit, ...]) -> None:
    client = msgspec.structs.replace(world().client, rate_limits=limits)

    async def scene(processes: Processes) -> None:
        limiter = processes.limiters[0]
        every = Limits(client.client_id if limits else client.at("api_1"), "org_1", (FAST,))
        await limiter.admit(every, cost=1)
        assert limiter.try_admit_locally(every, cost=1)
        limiter.forget(client)
        assert limiter.try_admit_locally(every, cost=1) is None

    play(1, scene)


def test_tokens_in_hand_are_not_spent_once_a_ceiling_was_lowered(clock: Clock) -> None:
    async def scene(processes: Processes) -> None:
        for process in (0, 1):
            assert (await processes.take(process, FAST, Limit("api.default", 500, 1))).is_admitted
        lowered = [await processes.take(number % 2, FAST, Limit("api.default", 3, 3600)) for number in range(8)]
        assert sum(status.is_admitted for status in lowered) == 3

    play(2, scene)


def test_buckets_of_one_organization_lie_on_one_node_and_apart_by_owner() -> None:
    limits = (Limit("default", 9, 60, "key_1"), Limit("org.default", 9, 60, "org_1@api_1"))
    keys = bucket_keys(Limits("key_1", "org_1", limits))
    assert keys == ["latchkey:limit:{org_1}:key_1:9/60", "latchkey:limit:{org_1}:org_1@api_1:9/60"]


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ([FAST], 100),
        ([SLOW], 1),
        ([FAST, SLOW], 1),
        ([Limit("a", 1000, 1, "org_1@api_1")], 10),
        ([Limit("a", 50, 1, "org_1@api_1")], 1),
        ([FAST, Limit("a", 2000, 1, "org_1@api_1")], 20),
    ],
)
def test_a_batch_is_what_comes_back_in_100_ms_and_a_tenth_of_that_where_a_bucket_is_shared(
    limits: list[Limit], size: int
) -> None:
    assert token_batch_size(limits_of_key(*limits)) == size


def test_tokens_in_hand_and_refusals_that_hold_cost_no_request(clock: Clock, valkey: "redis.Redis") -> None:
    async def scene(processes: Processes) -> None:
        await processes.take(0, FAST)
        before = commands(valkey)
        assert [(await processes.take(0, FAST)).remaining for _ in range(49)] == list(range(998, 949, -1))
        await processes.take(0, SLOW, cost=11)
        assert not (await processes.take(0, SLOW, cost=12)).is_admitted
        assert commands(valkey) == before + 1

    play(1, scene)


def test_what_one_limit_refuses_is_not_spent_from_another(clock: Clock) -> None:
    async def scene(processes: Processes) -> None:
        assert (await processes.take(0, FAST, SLOW, cost=10)).is_admitted
        refused = await processes.take(1, FAST, SLOW)
        assert (refused.is_admitted, refused.limit) == (False, SLOW)
        assert (await processes.take(1, FAST, cost=0)).remaining == 990

    play(2, scene)


def test_unspent_tokens_are_given_back_or_lapse_within_a_second(clock: Clock) -> None:
    async def scene(processes: Processes) -> None:
        await processes.take(0, FAST)
        assert (await processes.take(1, FAST, cost=0)).remaining == 900
        clock.forward(700_000)
        processes.limiters[0]._drop_old(clock.now())
        await processes.limiters[0]._return_left_over()
        assert (await processes.take(1, FAST, cost=0)).remaining == 999  # the spent one counted as held until now
        await processes.take(0, FAST)  # and this process is never heard of again
        clock.forward(TOKEN_BATCH_LIVES_MS * 1000 + 100_000)
        assert (await processes.take(1, FAST, cost=0)).remaining == 1000

    play(2, scene)


def test_calls_that_come_together_share_a_request(clock: Clock, valkey: "redis.Redis") -> None:
    async def scene(processes: Processes) -> None:
        await processes.take(0, Limit("other", 1, 1))  # the connection stands, the script is known
        before = commands(valkey)
        taken = await asyncio.gather(*(processes.take(0, SLOW) for _ in range(50)))
        assert sum(status.is_admitted for status in taken) == 10
        assert commands(valkey) <= before + 3

    play(1, scene)


def test_what_is_given_back_can_be_taken_again(clock: Clock) -> None:
    async def scene(processes: Processes) -> None:
        for _ in range(20):
            status = await processes.take(0, SLOW)
            assert status.is_admitted
            processes.limiters[0].give_back(limits_of_key(SLOW), status, cost=1)

    play(1, scene)


def test_a_clock_set_back_locks_nobody_out(clock: Clock) -> None:
    async def scene(processes: Processes) -> None:
        second = Limit("default", 10, 1)
        assert (await processes.take(0, second, cost=10)).is_admitted
        clock.forward(-7_200_000_000)
        assert not (await processes.take(1, second)).is_admitted
        clock.forward(1_000_000)
        assert (await processes.take(1, second, cost=9)).is_admitted

    play(2, scene)


def decide(without_redis: WithoutRedis, service: Service, settings: Settings) -> list[bool | None]:
    """What 12 calls are told of a limit of 10, of which 4 are spent when Valkey is killed; None for no limit."""
    settings.REDIS_URL = service.url

    async def scene(told: list[bool | None]) -> None:
        limiter = RateLimiter(link := Link(), without_redis=without_redis)
        try:
            for number in range(16):
                if number == 4:
                    service.stop()
                status = limiter.try_admit_locally(limits_of_key(SLOW), cost=1)
                status = status or await limiter.admit(limits_of_key(SLOW), cost=1)
                told.append(None if status is None else status.is_admitted)
        finally:
            await link.close()

    told: list[bool | None] = []
    asyncio.run(scene(told))
    assert told[:4] == [True] * 4
    return told[4:]


@pytest.mark.parametrize(
    ("without_redis", "told"),
    [("local", [True] * 10 + [False] * 2), ("open", [None] * 12), ("closed", [False] * 12)],
)
def test_while_redis_is_away_a_setting_says_what_limits_do(
    without_redis: WithoutRedis, told: list[bool | None], settings: Settings
) -> None:
    assert decide(without_redis, start_valkey(), settings) == told


LIMITS = st.sampled_from([(Limit("a", 40, 1),), (Limit("a", 100, 1), Limit("b", 300, 10)), (Limit("a", 7, 3),)])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "drain", "take for a while", "give back", "die"]),
        st.integers(0, 2),  # which process
        st.sampled_from([1, 1, 2, 12]),
        st.sampled_from([0, 0, 10_000, 300_000, 650_000, 1_100_000]),
    ),
    max_size=20,
)


@dataclass
class History:
    """Steps of several processes, and what was admitted by them: when, and at which cost."""

    clock: Clock
    processes: Processes
    limits: tuple[Limit, ...]
    admitted: list[tuple[int, int]] = field(default_factory=list)
    undecided: list[tuple[int, LimitStatus, int]] = field(default_factory=list)

    async def drain(self, process: int) -> None:
        """Call until it is refused."""
        before = -1
        while before != len(self.admitted):
            before = len(self.admitted)
            await self.step("take", process, 1)

    async def step(self, act: str, process: int, cost: int) -> None:
        """Do one thing."""
        limiter = self.processes.limiters[process]
        match act:
            case "take":
                if (await self.processes.take(process, *self.limits, cost=cost)).is_admitted:
                    self.admitted.append((self.clock.us, cost))
            case "drain":
                for other in (process - 1, process - 2, process):
                    await self.drain(other)
            case "take for a while":
                status = await self.processes.take(process, *self.limits, cost=cost)
                if status.is_admitted:
                    self.undecided.append((process, status, cost))
            case "give back":
                limiter._drop("key_1")
                await limiter._return_left_over()
                for taker, status, taken in self.undecided:
                    self.processes.limiters[taker].give_back(limits_of_key(*self.limits), status, cost=taken)
                self.undecided.clear()
            case "die":
                limiter._drop("key_1")
                limiter._left_over.clear()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(limits=LIMITS, steps=STEPS)
@example(limits=(Limit("a", 40, 1),), steps=[("take", 0, 1, 0), ("drain", 0, 1, 300_000)])  # held while all came back
def test_in_any_window_all_processes_together_admit_no_more_than_a_burst_and_the_rate(
    clock: Clock, valkey: "redis.Redis", limits: tuple[Limit, ...], steps: list[tuple[str, int, int, int]]
) -> None:
    admitted: list[tuple[int, int]] = []

    async def scene(processes: Processes) -> None:
        history = History(clock, processes, limits, admitted)
        for act, process, cost, wait_us in steps:
            clock.forward(wait_us)
            await history.step(act, process, cost)

    valkey.flushdb()
    clock.forward(0)
    play(3, scene)
    for limit in limits:
        window_us = limit.window_s * 1_000_000
        for first, (start, _) in enumerate(admitted):
            spent = 0
            for at, cost in admitted[first:]:
                spent += cost
                assert spent * window_us <= (window_us + at - start) * limit.limit
