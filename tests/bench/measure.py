"""Ask servers in turn, on one core, and tell what a call costs each of them."""

import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import load

SERVER_CORE = {0}
WARM_UP, WARM_UP_CONNECTIONS = 64, 16


@dataclass
class Target:
    """A server, and what it is asked."""

    name: str
    port: int
    pid: int
    requests: list[bytes]
    calls: dict[int, int]
    times: int = 1  # as many connections


@dataclass
class Figures:
    """One round of one target, or the medians of all."""

    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ratio: float = 1.0
    p99_ratio: float = 1.0


def cpu_seconds(pid: int) -> float:
    """User and system time that a server's processes have used."""
    return sum(_cpu_of(each) for each in [pid, *_children(pid)])


def _cpu_of(pid: int) -> float:
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3), to the nanosecond; /proc counts ticks of 10 ms


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in tasks]


def pin(pid: int) -> None:
    """Keep a server and its workers on the servers' core, all their threads with them."""
    for each in [pid, *_children(pid)]:
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), SERVER_CORE)


def measure(target: Target, connections: int) -> Figures:
    """Ask one target, which has been asked the same a moment before: what is warm must not have aged meanwhile."""
    calls = target.calls[connections]
    warm_up = max(len(target.requests), WARM_UP)
    asyncio.run(load.run(target.port, target.requests, connections=WARM_UP_CONNECTIONS, total=warm_up))
    before = cpu_seconds(target.pid)
    connections *= target.times
    came = asyncio.run(load.run(target.port, target.requests, connections=connections, total=calls))
    cpu_us = (cpu_seconds(target.pid) - before) / calls * 1e6
    return Figures(cpu_us, calls / came.wall_s, came.percentile(0.5) * 1e3, came.percentile(0.99) * 1e3)


def report(targets: list[Target], connections: int, *, rounds: int) -> dict[str, Figures]:
    """Ask every target in turn, round by round; print and return the medians, with their ratios to the first."""
    targets = [target for target in targets if connections in target.calls]
    each_round = [[measure(target, connections) for target in targets] for _ in range(rounds)]
    say(f"{connections} connection{'s' if connections > 1 else ''}")
    say(f"  {'':22}{'CPU µs/call':>12}{'x bare':>8}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'x bare':>8}")
    medians: dict[str, Figures] = {}
    for index, target in enumerate(targets):
        pairs = [(each[index], each[0]) for each in each_round]
        found = Figures(
            cpu_us=statistics.median(mine.cpu_us for mine, _ in pairs),
            per_second=statistics.median(mine.per_second for mine, _ in pairs),
            p50_ms=statistics.median(mine.p50_ms for mine, _ in pairs),
            p99_ms=statistics.median(mine.p99_ms for mine, _ in pairs),
            cpu_ratio=statistics.median(mine.cpu_us / bare.cpu_us for mine, bare in pairs),
            p99_ratio=statistics.median(mine.p99_ms / bare.p99_ms for mine, bare in pairs),
        )
        medians[target.name] = found
        say(
            f"  {target.name:22}{found.cpu_us:12.1f}{found.cpu_ratio:8.2f}{found.per_second:10.0f}"
            f"{found.p50_ms:9.2f}{found.p99_ms:9.2f}{found.p99_ratio:8.2f}"
        )
    say("")
    return medians


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
