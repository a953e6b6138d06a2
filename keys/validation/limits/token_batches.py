"""The limit state that a process holds between two requests to Redis. No Redis, no event loop, no clock.

A *token batch* is a number of tokens that Redis has taken from all of a credential's limits for this process, which
spends them without Redis. A *backoff* says that there were too few tokens. Both hold for a short time only. Instants
are seconds of CLOCK_BOOTTIME.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.validation.limits.gcra import SECOND_NS, LimitStatus, token_ns
from keys.validation.types import Limit, Limits

TOKEN_BATCHES_A_SECOND = 10
SHARERS = 10  # estimated number of holders that draw on a shared bucket at once
TOKEN_BATCH_LIVES_MS = 1_000  # in Redis; until then, the token batch counts as in use
USE_S = 0.6  # in the process, which needs the rest of the time to give back unspent tokens
# While tokens are short, a process asks for them at most every 10 ms. It asks at least every 250 ms if it has calls to
# answer, because other processes may have given tokens back.
MIN_BACKOFF_S, MAX_BACKOFF_S = 0.01, 0.25


def token_batch_size(limits: Limits) -> int:
    """Return how many tokens to request at once: as many as come back in 100 ms, at least 1.

    So a lost token batch costs no more than 100 ms. From a shared bucket it is a tenth of that, so that one holder
    leaves enough for others.
    """
    return max(min(_size_for_limit(limit, is_shared=limit.owner != limits.holder) for limit in limits.each), 1)


def _size_for_limit(limit: Limit, *, is_shared: bool) -> int:
    return limit.limit // (limit.window_s * TOKEN_BATCHES_A_SECOND * (SHARERS if is_shared else 1))


@dataclass(slots=True)
class TokenBatch:
    """Tokens in hand, and the state of the limits when they were taken."""

    id: str
    limits: Limits
    left: int
    ends_at: float
    tightest: Limit
    beyond: int  # tokens of the tightest limit that are left in Redis
    full_at: float  # when the tightest limit is full again if no token in hand is given back
    token_s: float

    def answer(self, cost: int, now: float) -> LimitStatus | None:
        """Spend ``cost`` of the tokens; None if there are too few."""
        return self.spend(cost, now) if cost <= self.left else None

    def spend(self, cost: int, now: float) -> LimitStatus:
        """Spend ``cost`` of the tokens; the caller has checked that there are enough."""
        left = self.left = self.left - cost
        reset_s = max(self.full_at - left * self.token_s - now, 0.0)
        return LimitStatus(
            self.tightest,
            is_admitted=True,
            remaining=self.beyond + left,
            reset_s=reset_s,
            retry_after_s=0.0,
            token_batch_id=self.id,
        )


@dataclass(slots=True)
class Backoff:
    """A refusal to repeat: until ``ends_at``, no call of this cost or more is admitted."""

    limits: Limits
    cost: int
    ends_at: float
    slowest: Limit
    remaining: int
    full_at: float
    retry_at: float

    def answer(self, cost: int, now: float) -> LimitStatus | None:
        """Refuse a call of this cost or more; None for a cheaper call, which Redis has to decide."""
        return self.refuse(now) if cost >= self.cost else None

    def refuse(self, now: float) -> LimitStatus:
        """Return the state for a refused call."""
        retry_after_s = max(self.retry_at, self.ends_at) - now
        return LimitStatus(
            self.slowest,
            is_admitted=False,
            remaining=self.remaining,
            reset_s=max(self.full_at - now, 0.0),
            retry_after_s=retry_after_s,
        )


def token_batch(token_batch_id: str, limits: Limits, used_ns: Sequence[int], *, size: int, now: float) -> TokenBatch:
    """Build a token batch of ``size`` tokens taken at ``now`` or later; ``used_ns`` is each limit's use after that."""
    tightest, used = min(zip(limits.each, used_ns, strict=True), key=lambda pair: _remaining(*pair))
    return TokenBatch(
        token_batch_id,
        limits,
        left=size,
        ends_at=now + USE_S,
        tightest=tightest,
        beyond=_remaining(tightest, used),
        full_at=now + used / SECOND_NS,
        token_s=token_ns(tightest) / SECOND_NS,
    )


def backoff(limits: Limits, used_ns: Sequence[int], *, cost: int, now: float) -> Backoff:
    """Build the refusal of a call that found too few tokens.

    ``used_ns`` is how much of each limit was in use, at ``now`` or later.
    """
    slowest, used = max(zip(limits.each, used_ns, strict=True), key=lambda pair: _wait_ns(pair[0], pair[1], cost))
    # A cost above the whole limit is never admitted. There is no right time to wait, so say one window.
    wait_s = min(_wait_ns(slowest, used, cost) / SECOND_NS, slowest.window_s)
    return Backoff(
        limits,
        cost,
        ends_at=now + min(max(wait_s, MIN_BACKOFF_S), MAX_BACKOFF_S),
        slowest=slowest,
        remaining=_remaining(slowest, used),
        full_at=now + used / SECOND_NS,
        retry_at=now + wait_s,
    )


def _remaining(limit: Limit, used_ns: int) -> int:
    return max(limit.limit - -(-used_ns // token_ns(limit)), 0)


def _wait_ns(limit: Limit, used_ns: int, cost: int) -> int:
    return used_ns - (limit.limit - cost) * token_ns(limit)
