"""What a process knows of a credential's limits between two requests to Redis. No Redis, no event loop, no clock.

An *allotment* is a number of tokens that Redis has taken from all of a credential's limits for this process, which
spends them by itself; a *refusal* is the knowledge that there were too few. Both hold for a while only. Instants are
seconds of CLOCK_BOOTTIME.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.validation.limits.gcra import SECOND_NS, Standing, token_ns
from keys.validation.types import Limit, Limits

ALLOTMENTS_A_SECOND = 10
SHARERS = 10  # a shared bucket is drawn on by so many at once, by estimate
ALLOTMENT_LIVES_MS = 1_000  # in Redis, where it counts as in use until then
USE_S = 0.6  # a process stops before, and has time to give back what is left
# Where tokens are short, a process asks for them no more often than every 10 ms; and no less often than every 250 ms
# if it has calls to answer, since others may have given theirs back.
MIN_REFUSAL_S, MAX_REFUSAL_S = 0.01, 0.25


def allotment_size(limits: Limits) -> int:
    """How many tokens to ask for at once: what comes back in 100 ms, so that losing them costs no more; at least 1.

    From a shared bucket it is a tenth of that, so that one holder leaves enough for others.
    """
    return max(min(_batch(limit, is_shared=limit.owner != limits.holder) for limit in limits.each), 1)


def _batch(limit: Limit, *, is_shared: bool) -> int:
    return limit.limit // (limit.window_s * ALLOTMENTS_A_SECOND * (SHARERS if is_shared else 1))


@dataclass(slots=True)
class Allotment:
    """Tokens in hand, and where the limits stood when they were taken."""

    id: str
    limits: Limits
    left: int
    ends_at: float
    tightest: Limit
    beyond: int  # what Redis has left of the tightest
    full_at: float  # when the tightest is full again if no token in hand is given back
    token_s: float

    def answer(self, cost: int, now: float) -> Standing | None:
        """Spend ``cost`` of the tokens; None where they are too few."""
        return self.spend(cost, now) if cost <= self.left else None

    def spend(self, cost: int, now: float) -> Standing:
        """Spend ``cost`` of the tokens, of which there are enough."""
        left = self.left = self.left - cost
        reset_s = max(self.full_at - left * self.token_s - now, 0.0)
        return Standing(
            self.tightest,
            is_admitted=True,
            remaining=self.beyond + left,
            reset_s=reset_s,
            retry_after_s=0.0,
            allotment_id=self.id,
        )


@dataclass(slots=True)
class Refusal:
    """No call of this cost or more is admitted for a while."""

    limits: Limits
    cost: int
    ends_at: float
    slowest: Limit
    remaining: int
    full_at: float
    retry_at: float

    def answer(self, cost: int, now: float) -> Standing | None:
        """Refuse such a call; None where another has to be asked about."""
        return self.refuse(now) if cost >= self.cost else None

    def refuse(self, now: float) -> Standing:
        """What is said to a call that is refused."""
        retry_after_s = max(self.retry_at, self.ends_at) - now
        return Standing(
            self.slowest,
            is_admitted=False,
            remaining=self.remaining,
            reset_s=max(self.full_at - now, 0.0),
            retry_after_s=retry_after_s,
        )


def allotment(allotment_id: str, limits: Limits, used_ns: Sequence[int], *, size: int, now: float) -> Allotment:
    """``size`` tokens taken at ``now`` or later, after which so much of each limit was in use."""
    tightest, used = min(zip(limits.each, used_ns, strict=True), key=lambda pair: _remaining(*pair))
    return Allotment(
        allotment_id,
        limits,
        left=size,
        ends_at=now + USE_S,
        tightest=tightest,
        beyond=_remaining(tightest, used),
        full_at=now + used / SECOND_NS,
        token_s=token_ns(tightest) / SECOND_NS,
    )


def refusal(limits: Limits, used_ns: Sequence[int], *, cost: int, now: float) -> Refusal:
    """So much of each limit was in use at ``now`` or later that a call of this cost found too few tokens."""
    slowest, used = max(zip(limits.each, used_ns, strict=True), key=lambda pair: _wait_ns(pair[0], pair[1], cost))
    # A cost beyond the whole limit is never admitted; one window is then as good an answer as any.
    wait_s = min(_wait_ns(slowest, used, cost) / SECOND_NS, slowest.window_s)
    return Refusal(
        limits,
        cost,
        ends_at=now + min(max(wait_s, MIN_REFUSAL_S), MAX_REFUSAL_S),
        slowest=slowest,
        remaining=_remaining(slowest, used),
        full_at=now + used / SECOND_NS,
        retry_at=now + wait_s,
    )


def _remaining(limit: Limit, used_ns: int) -> int:
    return max(limit.limit - -(-used_ns // token_ns(limit)), 0)


def _wait_ns(limit: Limit, used_ns: int, cost: int) -> int:
    return used_ns - (limit.limit - cost) * token_ns(limit)
