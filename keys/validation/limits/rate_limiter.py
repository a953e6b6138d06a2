"""Enforce rate limits across all processes: take tokens from Redis in token batches, and spend them in this process.

``try_admit_locally`` answers from the tokens in hand, or from a refusal that still holds. ``admit`` asks Redis for more
tokens. Concurrent calls of one credential share one request to Redis. Tokens that are unspent after 0.6 s, or when the
credential changes, are given back. Without a configured Redis each process counts for itself; while Redis does not
answer, a setting decides.

Redis counts a token in hand as in use (``lua/spend.lua``). So all processes together admit no more than one burst plus
the tokens that come back over time. If Redis is lost, its buckets are lost too: that admits one more burst.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from keys.validation.limits.gcra import Buckets, LimitStatus, token_ns
from keys.validation.limits.token_batches import (
    TOKEN_BATCH_LIVES_MS,
    Backoff,
    TokenBatch,
    backoff,
    token_batch,
    token_batch_size,
)
from keys.validation.store.circuit_breaker import Breaker
from keys.validation.store.clock import boottime
from keys.validation.store.redis_link import Link, RedisDown, bucket_keys, script
from keys.validation.types import ClientSnapshot, KeySnapshot, Limits, Snapshot

ASK_WITHIN_S, ASK_AGAIN_WITHIN_S = 0.05, 0.25
TEND_EVERY_S = 0.1
GIVEN_BACK_AT_ONCE = 200  # token batches beyond this number lapse by themselves
RETRY_CLOSED_S = 1.0

# The behaviour while Redis does not answer: each process counts alone, all calls are admitted, or none is.
WithoutRedis = Literal["local", "open", "closed"]


@dataclass(slots=True)
class Asking:
    """A running request to Redis, and the number of tokens that its waiters need."""

    is_over: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    needed: int = 0


class RateLimiter:
    """Enforces limits for this process; used from the event loop only."""

    def __init__(self, link: Link | None = None, *, without_redis: WithoutRedis = "local") -> None:
        self._link = link
        self._without_redis = without_redis
        self._alone = Buckets()
        self._breaker = Breaker()
        self._held: dict[str, TokenBatch | Backoff] = {}  # the oldest first
        self._asking: dict[str, Asking] = {}
        self._left_over: deque[TokenBatch] = deque(maxlen=GIVEN_BACK_AT_ONCE)
        self._process = os.urandom(6).hex()
        self._numbers = itertools.count()

    def try_admit_locally(self, limits: Limits, *, cost: int) -> LimitStatus | None:
        """Spend ``cost`` from every limit or from none, without I/O; None if ``admit`` has to be awaited.

        Returns the state of the tightest limit, or of the one with the longest wait. A cost of 0 only looks.
        """
        if self._link is None:
            return self._alone.admit(limits.each, cost=cost, now_ns=time.monotonic_ns())
        held = self._held.get(limits.holder)
        if held is None or (held.limits is not limits and held.limits != limits):
            return None
        now = boottime()
        return held.answer(cost, now) if now < held.ends_at else None

    async def admit(self, limits: Limits, *, cost: int) -> LimitStatus | None:
        """Spend ``cost`` as ``try_admit_locally`` does, with tokens from Redis; None if nothing limits the call."""
        needed = 0
        while (asking := self._asking.get(limits.holder)) is not None:
            asking.needed += cost
            await asyncio.shield(asking.is_over)
            status = self.try_admit_locally(limits, cost=cost)
            if status is not None:
                return status
            needed = asking.needed  # the cost of all waiters: the first to ask takes tokens for the others too
        asking = self._asking[limits.holder] = Asking()
        within_s = ASK_WITHIN_S
        try:
            while self._link is not None and self._breaker.try_acquire(time.monotonic()):
                with contextlib.suppress(RedisDown):  # one failure is no outage: the breaker decides
                    return await self._ask(self._link, limits, cost=cost, needed=needed, within_s=within_s)
                self._breaker.timed_out(time.monotonic())
                within_s = ASK_AGAIN_WITHIN_S  # perhaps this machine is slow; counting alone would admit one more burst
            return self._without(limits, cost)
        finally:
            del self._asking[limits.holder]
            asking.is_over.set_result(None)

    def give_back(self, limits: Limits, status: LimitStatus, *, cost: int) -> None:
        """Undo the spending of an admitted call that was refused after all."""
        held = self._held.get(limits.holder)
        if not status.token_batch_id:
            self._alone.give_back(limits.each, cost=cost)
        elif isinstance(held, TokenBatch) and held.id == status.token_batch_id:  # else no longer ours
            held.left += cost

    def forget(self, snapshot: Snapshot) -> None:
        """Give back the tokens held for the snapshot's credential: its limits may have changed."""
        if isinstance(snapshot, KeySnapshot):
            self._drop(snapshot.key_id)
        elif isinstance(snapshot, ClientSnapshot):
            for holder in (snapshot.client_id, *(snapshot.at(grant.api_id) for grant in snapshot.grants)):
                self._drop(holder)

    async def tend(self) -> None:
        """Give back unspent tokens regularly while the process serves, and all tokens at the end."""
        try:
            while True:
                await asyncio.sleep(TEND_EVERY_S)
                self._drop_old(boottime())
                await self._return_left_over()
        finally:
            for holder in list(self._held):
                self._drop(holder)
            await self._return_left_over()

    async def _ask(self, link: Link, limits: Limits, *, cost: int, needed: int, within_s: float) -> LimitStatus:
        token_batch_id, before = f"{self._process}{next(self._numbers)}", boottime()
        wanted = max(token_batch_size(limits), needed, cost) if cost else 0
        # One request exchanges the batches: it gives back the unspent tokens of the old one and takes the new one.
        mine = self._held.pop(limits.holder, None) if cost else None
        granted, *used_ns = await _spend(
            link, limits, mine, token_batch_id, needed=cost, wanted=wanted, within_s=within_s
        )
        self._breaker.answered()
        if granted < cost:
            now = boottime()
            refused = self._held[limits.holder] = backoff(limits, used_ns, cost=cost, now=now)
            return refused.refuse(now)
        taken = token_batch(token_batch_id, limits, used_ns, size=granted, now=before)
        if cost:
            self._held[limits.holder] = taken
        return taken.spend(cost, before)

    def _without(self, limits: Limits, cost: int) -> LimitStatus | None:
        if self._link is None or self._without_redis == "local":
            return self._alone.admit(limits.each, cost=cost, now_ns=time.monotonic_ns())
        if self._without_redis == "open" or cost == 0:
            return None
        return LimitStatus(
            limits.each[0], is_admitted=False, remaining=0, reset_s=RETRY_CLOSED_S, retry_after_s=RETRY_CLOSED_S
        )

    def _drop_old(self, now: float) -> None:
        old = list(itertools.takewhile(lambda holder: self._held[holder].ends_at <= now, self._held))
        for holder in old:
            self._drop(holder)

    def _drop(self, holder: str) -> None:
        held = self._held.pop(holder, None)
        if isinstance(held, TokenBatch) and held.left:
            self._left_over.append(held)

    async def _return_left_over(self) -> None:
        with contextlib.suppress(RedisDown):  # without Redis, the token batches lapse
            while self._link is not None and self._left_over and not self._breaker.is_open:
                mine = self._left_over.popleft()
                await _spend(self._link, mine.limits, mine, "", needed=0, wanted=0, within_s=ASK_WITHIN_S)


async def _spend(
    link: Link,
    limits: Limits,
    mine: TokenBatch | Backoff | None,
    new: str,
    *,
    needed: int,
    wanted: int,
    within_s: float,
) -> list[int]:
    """Run the script; returns the number of tokens taken, and then for each limit how much of it is in use, in ns."""
    old, back = (mine.id, mine.left) if isinstance(mine, TokenBatch) else ("", 0)
    shapes = [number for limit in limits.each for number in (token_ns(limit), limit.limit)]
    arguments = (old, back, new, TOKEN_BATCH_LIVES_MS, needed, wanted, *shapes)
    found: list[int] = (await link.run_script(script("spend"), bucket_keys(limits), *arguments, within_s=within_s))[1]
    return found
