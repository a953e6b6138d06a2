"""Slow down guesses at a client's secret, from each network for each client. Pure; ``now`` is monotonic seconds.

It only ever changes what a failure is answered: what is right is let in however much has failed before, so that nobody
can lock an owner out, who may come from the same address as the stranger. Guessing 190 random bits is hopeless anyway;
this is for the program that repeats a mistake.
"""

from math import ceil

BURST = 10
EACH_S = 6.0
MAX_REMEMBERED = 10_000

Who = tuple[str, str]  # the client's id, and the network that the request comes from


class Failures:
    """The failures of the last minute; one a process."""

    def __init__(self) -> None:
        self._forgotten_at: dict[Who, float] = {}  # the one that failed last at the end

    def wait_s(self, who: Who, *, now: float) -> int:
        """For how many seconds one more failure would be asked to wait; 0 while it would not."""
        return max(ceil(self._forgotten_at.get(who, now) - now - (BURST - 1) * EACH_S), 0)

    def note(self, who: Who, *, now: float) -> int:
        """One more failure; 0, or for how many seconds failures are answered with a request to wait."""
        forgotten_at = max(self._forgotten_at.pop(who, now), now)
        wait_s = forgotten_at - now - (BURST - 1) * EACH_S
        if wait_s <= 0:
            forgotten_at += EACH_S
        if len(self._forgotten_at) >= MAX_REMEMBERED:
            del self._forgotten_at[next(iter(self._forgotten_at))]
        self._forgotten_at[who] = forgotten_at
        return max(ceil(wait_s), 0)
