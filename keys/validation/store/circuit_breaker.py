"""Stop calling a store that does not answer, and probe it now and then. Pure: the clock is an argument."""

TIME_OUTS_TO_OPEN = 3
OPEN_FOR_S = 1.0


class Breaker:
    """Opens after 3 time-outs in a row. While open, it admits one probe a second, until one is answered."""

    def __init__(self) -> None:
        self._time_outs = 0
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether callers are turned away."""
        return self._time_outs >= TIME_OUTS_TO_OPEN

    def try_acquire(self, now: float) -> bool:
        """Tell whether this caller may use the store. While open, the admitted caller is that second's only probe."""
        if not self.is_open:
            return True
        if now < self._probe_at:
            return False
        self._probe_at = now + OPEN_FOR_S
        return True

    def answered(self) -> None:
        """Close the breaker: the store answered."""
        self._time_outs = 0

    def timed_out(self, now: float) -> None:
        """Count a time-out."""
        self._time_outs += 1
        self._probe_at = now + OPEN_FOR_S
