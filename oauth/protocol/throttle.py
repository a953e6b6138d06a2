"""Slow down failed authentication, per client and network. Pure; ``now`` is in monotonic seconds.

The throttle changes only the response to a failure. A right secret is accepted however many attempts have failed, so
that nobody can lock out the owner, who may share the attacker's address. Guessing 190 random bits is hopeless; the
throttle is for programs that repeat a mistake.
"""

from math import ceil

BURST = 10
EACH_S = 6.0
MAX_REMEMBERED = 10_000

Who = tuple[str, str]  # the client's id, and the network that the request comes from


class Failures:
    """Counts the failures of the last minute; one instance per process."""

    def __init__(self) -> None:
        self._forgotten_at: dict[Who, float] = {}  # in the order of the last failure, oldest first

    def wait_s(self, who: Who, *, now: float) -> int:
        """Seconds that one more failure would be told to wait; 0 if it would not."""
        return max(ceil(self._forgotten_at.get(who, now) - now - (BURST - 1) * EACH_S), 0)

    def note(self, who: Who, *, now: float) -> int:
        """Count one more failure. Returns the seconds for which failures are told to wait, or 0."""
        forgotten_at = max(self._forgotten_at.pop(who, now), now)
        wait_s = forgotten_at - now - (BURST - 1) * EACH_S
        if wait_s <= 0:
            forgotten_at += EACH_S
        if len(self._forgotten_at) >= MAX_REMEMBERED:
            del self._forgotten_at[next(iter(self._forgotten_at))]
        self._forgotten_at[who] = forgotten_at
        return max(ceil(wait_s), 0)
