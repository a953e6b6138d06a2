"""The clock that leases and ages are counted on: it goes on while the machine sleeps."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS has no CLOCK_BOOTTIME


def boottime() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.clock_gettime(_CLOCK)
