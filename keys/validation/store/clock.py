"""The clock for leases and ages. It also counts while the machine sleeps."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS has no CLOCK_BOOTTIME


def boottime() -> float:
    """Return the seconds since the machine started, its sleep included."""
    return time.clock_gettime(_CLOCK)
