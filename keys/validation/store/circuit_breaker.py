"""Stop asking a store that does not answer, and try it again now and then. Pure: the clock is an argument."""

TIME_OUTS_TO_OPEN = 3
OPEN_FOR_S = 1.0


class Breaker:
    """Open after 3 time-outs in a row; then one caller a second is let through as a probe, until one is answered."""

    def __init__(self) -> None:
        self._time_outs = 0
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether callers are turned away."""
        return self._time_outs >= TIME_OUTS_TO_OPEN

    def admits(self, now: float) -> bool:
        """Whether this caller may ask; while open, the one that is let through is the second's only probe."""
        if not self.is_open:
            return True
        if now < self._probe_at:
            return False
        self._probe_at = now + OPEN_FOR_S
        return True

    def answered(self) -> None:
        """The store answered: close."""
        self._time_outs = 0

    def timed_out(self, now: float) -> None:
        """The store did not answer in time."""
        self._time_outs += 1
        self._probe_at = now + OPEN_FOR_S
