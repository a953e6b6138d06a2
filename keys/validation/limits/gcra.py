"""How many more calls a credential may make now: GCRA, exact, in this process alone.

``spend`` is pure; ``Buckets`` keeps what it decided on. The clock is monotonic nanoseconds, so that a clock set back
locks nobody out. All arithmetic is in integers: a limit's unit of time is a nanosecond divided by its ``limit``,
in which one request takes exactly ``window_s`` seconds.
"""

from collections.abc import Sequence

from msgspec import Struct

from keys.validation.types import Limit

SECOND_NS = 1_000_000_000
SWEEP_AT = 10_000


class Standing(Struct, frozen=True, gc=False):
    """Where a credential stands with one limit after a call."""

    limit: Limit
    is_admitted: bool
    remaining: int
    reset_s: float
    retry_after_s: float
    allotment_id: str = ""  # what it was spent from, where that came from Redis


def token_ns(limit: Limit) -> int:
    """How long one request of the limit takes to come back, rounded up: no more are admitted than the limit says."""
    return -(-limit.window_s * SECOND_NS // limit.limit)


def spend(limit: Limit, full_at: int, *, cost: int, now_ns: int) -> tuple[int, Standing]:
    """What a call of this cost finds, and the instant (in the limit's units) at which the bucket is full again.

    ``full_at`` is that instant as the last call left it, 0 for a first one. A refusal leaves it as it was.
    """
    now, window, each = now_ns * limit.limit, limit.window_s * SECOND_NS * limit.limit, limit.window_s * SECOND_NS
    before = max(full_at, now)
    after = before + cost * each
    is_admitted = after - now <= window or cost == 0
    used = (after if is_admitted else before) - now
    # A cost beyond the whole limit is never admitted; one window is then as good an answer as any.
    wait = 0 if is_admitted else min(after - now - window, window)
    scale = limit.limit * SECOND_NS
    standing = Standing(limit, is_admitted, max(window - used, 0) // each, used / scale, wait / scale)
    return (after if is_admitted else full_at), standing


class Buckets:
    """The buckets of this process; used from the event loop alone."""

    def __init__(self) -> None:
        self._full_at: dict[tuple[str, int, int], int] = {}  # by owner, limit and window
        self._sweep_at = SWEEP_AT

    def take(self, limits: Sequence[Limit], *, cost: int, now_ns: int) -> Standing | None:
        """Spend ``cost`` from every limit, or from none; returns the tightest, or the one to wait for longest.

        None where there is no limit. A cost of 0 only looks.
        """
        if not limits:
            return None
        found = [
            (bucket, *spend(limit, self._full_at.get(bucket, 0), cost=cost, now_ns=now_ns))
            for limit in limits
            for bucket in [_bucket(limit)]
        ]
        refused = [standing for _, _, standing in found if not standing.is_admitted]
        if refused:
            return max(refused, key=lambda standing: standing.retry_after_s)
        if cost:
            self._full_at.update((bucket, full_at) for bucket, full_at, _ in found)
            if len(self._full_at) >= self._sweep_at:
                self._sweep(now_ns)
        return min((standing for _, _, standing in found), key=lambda standing: standing.remaining)

    def give_back(self, limits: Sequence[Limit], *, cost: int) -> None:
        """Undo a ``take`` that came to nothing."""
        for limit in limits:
            bucket = _bucket(limit)
            if bucket in self._full_at:
                self._full_at[bucket] -= cost * limit.window_s * SECOND_NS

    def _sweep(self, now_ns: int) -> None:
        """Forget full buckets, which are as good as none; only live credentials have any, which bounds them."""
        self._full_at = {bucket: full_at for bucket, full_at in self._full_at.items() if full_at > now_ns * bucket[1]}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._full_at))


def _bucket(limit: Limit) -> tuple[str, int, int]:
    return limit.owner, limit.limit, limit.window_s
