"""GCRA rate limits, exact, for this process alone.

``spend`` is pure; ``Buckets`` keeps the state between calls. The clock is monotonic nanoseconds, so that a clock set
back locks nobody out. All arithmetic is in integers: a limit's unit of time is a nanosecond divided by its ``limit``,
so that one request takes exactly ``window_s`` seconds' worth of units.
"""

from collections.abc import Sequence

from msgspec import Struct

from keys.validation.types import Limit

SECOND_NS = 1_000_000_000
SWEEP_AT = 10_000


class LimitStatus(Struct, frozen=True, gc=False):
    """The state of one limit after a call."""

    limit: Limit
    is_admitted: bool
    remaining: int
    reset_s: float
    retry_after_s: float
    token_batch_id: str = ""  # the token batch that was spent from, if it came from Redis


def token_ns(limit: Limit) -> int:
    """Return the nanoseconds until one request of the limit comes back.

    Rounded up, so that never more requests are admitted than the limit says.
    """
    return -(-limit.window_s * SECOND_NS // limit.limit)


def spend(limit: Limit, full_at: int, *, cost: int, now_ns: int) -> tuple[int, LimitStatus]:
    """Apply a call of this cost to a limit; returns the instant at which the bucket is full again, and the state.

    The instant is in the limit's units. ``full_at`` is that of the previous call, 0 before the first. A refusal leaves
    it unchanged.
    """
    now, window, each = now_ns * limit.limit, limit.window_s * SECOND_NS * limit.limit, limit.window_s * SECOND_NS
    before = max(full_at, now)
    after = before + cost * each
    is_admitted = after - now <= window or cost == 0
    used = (after if is_admitted else before) - now
    # A cost above the whole limit is never admitted. There is no right time to wait, so say one window.
    wait = 0 if is_admitted else min(after - now - window, window)
    scale = limit.limit * SECOND_NS
    status = LimitStatus(limit, is_admitted, max(window - used, 0) // each, used / scale, wait / scale)
    return (after if is_admitted else full_at), status


class Buckets:
    """The buckets of this process; used from the event loop only."""

    def __init__(self) -> None:
        self._full_at: dict[tuple[str, int, int], int] = {}  # by owner, limit and window
        self._sweep_at = SWEEP_AT

    def admit(self, limits: Sequence[Limit], *, cost: int, now_ns: int) -> LimitStatus | None:
        """Spend ``cost`` from every limit, or from none; None if there is no limit. A cost of 0 only looks.

        Returns the state of the tightest limit, or of the limit with the longest wait if the call is refused.
        """
        if not limits:
            return None
        found = [
            (bucket, *spend(limit, self._full_at.get(bucket, 0), cost=cost, now_ns=now_ns))
            for limit in limits
            for bucket in [_bucket(limit)]
        ]
        refused = [status for _, _, status in found if not status.is_admitted]
        if refused:
            return max(refused, key=lambda status: status.retry_after_s)
        if cost:
            self._full_at.update((bucket, full_at) for bucket, full_at, _ in found)
            if len(self._full_at) >= self._sweep_at:
                self._sweep(now_ns)
        return min((status for _, _, status in found), key=lambda status: status.remaining)

    def give_back(self, limits: Sequence[Limit], *, cost: int) -> None:
        """Undo an ``admit`` whose call was refused after all."""
        for limit in limits:
            bucket = _bucket(limit)
            if bucket in self._full_at:
                self._full_at[bucket] -= cost * limit.window_s * SECOND_NS

    def _sweep(self, now_ns: int) -> None:
        """Drop full buckets: a missing bucket counts as full. Others belong to credentials in use, so they are few."""
        self._full_at = {bucket: full_at for bucket, full_at in self._full_at.items() if full_at > now_ns * bucket[1]}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._full_at))


def _bucket(limit: Limit) -> tuple[str, int, int]:
    return limit.owner, limit.limit, limit.window_s
