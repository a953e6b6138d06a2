"""``make bench AGAINST=commit``: what a call costs here, beside what it costs at that commit, in interleaved rounds.

Each round begins with new processes on both sides, because one process may be faster than the next for all its life.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from portal.env import BASE_DIR
from portal.operations import processes
from tests.bench.measure import OTHER_CORES, measure, pin, say, workers
from tests.bench.rows import MOST, Stand, targets

ROUNDS = 8
WORSE = 1.03
PARTS = (slice(0, None, 2), slice(1, None, 2))  # of the keys that nobody has asked about yet
LOCKS = ("requirements.lock", "requirements-dev.lock")
RENEWED_WITHIN_S, LEASED_WITHIN_S = 30, 2
CONNECTS = 7  # with pauses that double from half a second


def main() -> None:
    """Print the ratio of each row; exit with 1 if one is worse, and is so again when all are asked anew.

    Noise as great as the effect makes a row worse once in seven times, and seldom the same row twice.
    """
    commit = sys.argv[1]
    os.sched_setaffinity(0, OTHER_CORES)
    say(f"CPU of server and stores, here ÷ at {commit}: median of {ROUNDS} rounds, and the middle half")
    with ExitStack() as stack:
        there = stack.enter_context(_checkout(commit))
        sides = [
            stack.enter_context(_served(BASE_DIR, Path(sys.executable))),
            stack.enter_context(_served(there, _python_of(there))),
        ]
        lines = [side.stdout.readline() for side in sides if side.stdout]
        if not all(lines):
            sys.exit(f"This bench cannot serve {commit}, or not this checkout: what it said stands above.")
        stands = [Stand(**json.loads(line)) for line in lines]
        worse = _worse(_ratios(stands, PARTS[0]))
        if worse:
            say("again:")
            worse &= _worse(_ratios(stands, PARTS[1]))
    if worse:
        sys.exit(f"worse both times: {', '.join(sorted(worse))}")


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
        there = Path(folder) / "checkout"
        _run("git", "worktree", "add", "--quiet", "--detach", str(there), commit)
        try:
            yield there
        finally:
            _run("git", "worktree", "remove", "--force", str(there))


def _python_of(there: Path) -> Path:
    """The interpreter of this run, or one with the other commit's packages where they are others."""
    if all((there / lock).read_bytes() == (BASE_DIR / lock).read_bytes() for lock in LOCKS):
        return Path(sys.executable)
    _run("make", "--silent", "--directory", str(there), ".venv/dev.stamp")
    return there / ".venv" / "bin" / "python"


def _run(*command: str) -> None:
    subprocess.run(command, cwd=BASE_DIR, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def _served(folder: Path, python: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The portals of a checkout, served by its own code from a process of its own."""
    process = processes.start(
        [python, "-P", BASE_DIR / "tests" / "bench" / "portals.py"],
        environ=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def _ratios(stands: list[Stand], part: slice) -> dict[str, list[float]]:
    sides = [targets(stand, stand.keys[part], rounds=ROUNDS) for stand in stands]
    rows = [pair for pair in zip(*sides, strict=True) if MOST in pair[0].calls]
    ratios: dict[str, list[float]] = {here.name: [] for here, _ in rows}
    for number in range(ROUNDS):
        _renew_workers([server for stand in stands for server in stand.servers.values()])
        for row in rows:
            order = (-1) ** number  # who is asked first takes turns, too
            here, there = [measure(target, MOST).all_us for target in row[::order]][::order]
            ratios[row[0].name].append(here / there)
    return ratios


def _renew_workers(servers: list[tuple[int, int]]) -> None:
    """Have granian replace the worker of each server, and wait until the new ones hold their leases."""
    old = {pid: workers(pid) for _, pid in servers}
    for pid in old:
        os.kill(pid, signal.SIGHUP)
    with httpx.Client(transport=httpx.HTTPTransport(retries=CONNECTS), timeout=RENEWED_WITHIN_S) as client:
        for port, pid in servers:
            while not (new := workers(pid)) or set(new) & set(old[pid]):
                time.sleep(0.1)
            client.get(f"http://127.0.0.1:{port}/readyz").raise_for_status()
            pin(pid)
    time.sleep(LEASED_WITHIN_S)


def _worse(ratios: dict[str, list[float]]) -> set[str]:
    """Print the ratios; return the rows that are worse in three of four rounds."""
    worse = set()
    for name, found in ratios.items():
        low, median, high = statistics.quantiles(found, n=4)
        if low > WORSE:
            worse.add(name)
        say(f"  {name:22}{median:8.3f}   ({low:.3f} to {high:.3f}){'  worse' if name in worse else ''}")
    return worse


if __name__ == "__main__":
    main()
