"""Ask servers in turn, on one core, and tell what a call costs each of them."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import load

SERVER_CORE, OTHER_CORES = {0}, {1}
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
    stores: Sequence[int] = ()  # processes that work for it
    are_once: bool = False  # each round sends requests that no round before it has sent


@dataclass
class Figures:
    """One round of one target."""

    cpu_us: float
    stores_us: float
    per_second: float
    p50_ms: float
    p99_ms: float

    @property
    def all_us(self) -> float:
        """The CPU time of the server and of its stores."""
        return self.cpu_us + self.stores_us


def cpu_seconds(*pids: int) -> float:
    """User and system time that servers' processes have used, those that have ended among them."""
    return sum(_ended_children_s(pid) + sum(map(_cpu_of, [pid, *workers(pid)])) for pid in pids)


def _cpu_of(pid: int) -> float:
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3), to the nanosecond; /proc counts ticks of 10 ms


def _ended_children_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime and cstime, see proc(5)


def workers(pid: int) -> list[int]:
    """The processes that a server has started."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in tasks]


def pin(pid: int) -> None:
    """Keep a server and its workers on the servers' core, all their threads with them."""
    for each in [pid, *workers(pid)]:
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), SERVER_CORE)


def measure(target: Target, connections: int) -> Figures:
    """Ask one target, which has been asked the same a moment before: what is warm must not have aged meanwhile."""
    calls, requests, warm_up = target.calls[connections], target.requests, target.requests
    if target.are_once:
        warm_up, requests = requests[:1], [requests.pop() for _ in range(calls)]
    total = max(len(warm_up), WARM_UP)
    asyncio.run(load.run(target.port, warm_up, connections=WARM_UP_CONNECTIONS, total=total))
    before, stores_before = cpu_seconds(target.pid), cpu_seconds(*target.stores)
    connections *= target.times
    came = asyncio.run(load.run(target.port, requests, connections=connections, total=calls))
    cpu_us = (cpu_seconds(target.pid) - before) / calls * 1e6
    stores_us = (cpu_seconds(*target.stores) - stores_before) / calls * 1e6
    return Figures(cpu_us, stores_us, calls / came.wall_s, came.percentile(0.5) * 1e3, came.percentile(0.99) * 1e3)


Rounds = dict[str, list[Figures]]  # by the target's name


def report(targets: list[Target], connections: int, *, rounds: int) -> Rounds:
    """Ask every target in turn, round by round; print the medians, and those of the ratios to the first."""
    found: Rounds = {target.name: [] for target in targets if connections in target.calls}
    for _ in range(rounds):
        for target in targets:
            if connections in target.calls:
                found[target.name].append(measure(target, connections))
    first = targets[0].name
    say(f"{connections} connection{'s' if connections > 1 else ''}")
    heads = f"{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'x bare':>8}"
    say(f"  {'':22}{'CPU µs/call':>12}{'x bare':>8}{'stores µs':>11}{heads}")
    for name in found:
        cpu_us, stores_us, per_second, p50_ms, p99_ms = (
            median(found[name], what) for what in ("cpu_us", "stores_us", "per_second", "p50_ms", "p99_ms")
        )
        say(
            f"  {name:22}{cpu_us:12.1f}{ratio(found, name, first, 'cpu_us'):8.2f}{stores_us:11.1f}{per_second:10.0f}"
            f"{p50_ms:9.2f}{p99_ms:9.2f}{ratio(found, name, first, 'p99_ms'):8.2f}"
        )
    say("")
    return found


def median(figures: list[Figures], what: str) -> float:
    """The median of a field over the rounds."""
    return float(statistics.median(getattr(each, what) for each in figures))


def ratio(found: Rounds, name: str, other: str, what: str) -> float:
    """The median over the rounds of a field's ratio to another target's."""
    pairs = zip(found[name], found[other], strict=True)
    return float(statistics.median(getattr(mine, what) / getattr(others, what) for mine, others in pairs))


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
