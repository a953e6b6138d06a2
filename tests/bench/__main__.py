"""``make bench``: what a validation costs, beside the least that the same server can do, in one interleaved run.

Every server is pinned to one core, one of them works at a time, and each round asks all of them in turn. CPU per call
(user and system time of the server's processes) is the figure to trust on a machine that others share.
"""

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests import environment

environment.prepare()

from portal import processes  # noqa: E402  # after the environment
from portal.devservices import free_port, start_valkey  # noqa: E402
from portal.env import BASE_DIR  # noqa: E402
from tests import live  # noqa: E402
from tests.bench import load  # noqa: E402
from tests.bench.writer import Writer  # noqa: E402

ROUNDS = 5
CALLS = {1: 1500, 16: 4000}
SERVER_CORE, OTHER_CORES = {0}, {1}
CYCLED_KEYS = 10_000
ANSWER_BYTES = 440


@dataclass
class Target:
    """A server, and what it is asked."""

    name: str
    port: int
    pid: int
    requests: list[bytes]
    calls: dict[int, int]


@dataclass
class Figures:
    """One round of one target."""

    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float


def cpu_seconds(pid: int) -> float:
    """User and system time that a server's processes have used."""
    return sum(_cpu_of(each) for each in [pid, *_children(pid)])


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in tasks]


def pin(pid: int) -> None:
    """Keep a server and its workers on the servers' core, all their threads with them."""
    for each in [pid, *_children(pid)]:
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), SERVER_CORE)


def measure(target: Target, connections: int) -> Figures:
    """Ask one target once."""
    calls = target.calls[connections]
    before = cpu_seconds(target.pid)
    came = asyncio.run(load.run(target.port, target.requests, connections=connections, total=calls))
    cpu_us = (cpu_seconds(target.pid) - before) / calls * 1e6
    return Figures(cpu_us, calls / came.wall_s, came.percentile(0.5) * 1e3, came.percentile(0.99) * 1e3)


@contextmanager
def bare() -> Iterator[tuple[int, int]]:
    """The bare server: its port and its process."""
    port = free_port()
    command = f"granian --interface asgi --runtime-mode st --workers 1 --no-ws --host 127.0.0.1 --port {port}"
    process = processes.start(
        [sys.executable, "-m", *command.split(), "tests.bench.bare:application"],
        environ=os.environ | {"BARE_BYTES": str(ANSWER_BYTES)},
        cwd=BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(2)
        yield port, process.pid
    finally:
        processes.stop(process)


def main() -> None:
    """Run it all and print it."""
    os.sched_setaffinity(0, OTHER_CORES)
    machine = f"{_cpu_model()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}")
    say(f"medians of {ROUNDS} interleaved rounds; servers on one core, the rest on the other\n")
    with ExitStack() as stack:
        database_url = stack.enter_context(live.database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-bench-")))

        def serve(name: str, **settings: str) -> live.Live:
            (folder / name).mkdir()
            workers = int(settings.pop("WORKERS", "1"))
            running = live.portal(folder / name, database_url=database_url, workers=workers, **(secrets | settings))
            return stack.enter_context(running)

        secrets = environment.production(database_url=database_url)
        del secrets["PUBLIC_URL"]  # each server has its own
        cached = serve("cached")
        demo = json.loads(cached.manage("demo", "--json", "--force", "--keys", str(CYCLED_KEYS)))
        targets = _targets(serve, cached, demo, stack.enter_context(bare()))
        for target in targets:
            pin(target.pid)
        for connections in CALLS:
            report(targets, connections)
        revocations(serve, demo, stack)


def _targets(
    serve: Callable[..., live.Live], cached: live.Live, demo: dict[str, Any], bare_server: tuple[int, int]
) -> list[Target]:
    def ask(credential: str) -> bytes:
        body = json.dumps({"credential": credential, "scopes": ["orders:read"], "ip": "203.0.113.9"})
        return load.post("/v1/validate", body.encode(), bearer=demo["api"]["secret"])

    cached.manage("credential", _key_id(cached, demo["api_keys"][0]), "set", "--rate-limit", "1000000/1")
    warm, many = [ask(demo["api_key"])], [ask(key) for key in demo["api_keys"][1:]]
    shared = serve("shared", SNAPSHOT_COPIES="0")
    gone = start_valkey()
    alone = serve("alone", REDIS_URL=gone.url)
    gone.stop()  # what is left is the database
    fewer = {connections: calls // 4 for connections, calls in CALLS.items()}
    return [
        Target("bare", *bare_server, warm, CALLS),
        Target("warm validate", _port(cached), cached.process.pid, warm, CALLS),
        Target("warm, with a limit", _port(cached), cached.process.pid, [ask(demo["api_keys"][0])], CALLS),
        Target(f"warm, {CYCLED_KEYS:,} keys", _port(cached), cached.process.pid, many, CALLS),
        Target("from Redis", _port(shared), shared.process.pid, warm, fewer),
        Target("from the database", _port(alone), alone.process.pid, warm, fewer),
    ]


def report(targets: list[Target], connections: int) -> None:
    """Ask every target in turn, round by round, and print the medians and the ratios to the first."""
    for target in targets:
        measure(target, connections)  # warm up
    rounds = [[measure(target, connections) for target in targets] for _ in range(ROUNDS)]
    say(f"{connections} connection{'s' if connections > 1 else ''}")
    say(f"  {'':22}{'CPU µs/call':>12}{'x bare':>8}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for index, target in enumerate(targets):
        mine = [each[index] for each in rounds]
        ratio = statistics.median(each[index].cpu_us / each[0].cpu_us for each in rounds)
        cpu_us, per_second, p50_ms, p99_ms = (
            statistics.median(getattr(each, name) for each in mine)
            for name in ("cpu_us", "per_second", "p50_ms", "p99_ms")
        )
        say(f"  {target.name:22}{cpu_us:12.1f}{ratio:8.2f}{per_second:10.0f}{p50_ms:9.2f}{p99_ms:9.2f}")
    say("")


def revocations(serve: Callable[..., live.Live], demo: dict[str, Any], stack: ExitStack) -> None:
    """How long a revocation takes to answer with four web processes, which is when it holds everywhere."""
    four = serve("four", WORKERS="4")
    writer = stack.enter_context(Writer(four.environ))
    key_ids = [_key_id(four, key) for key in demo["api_keys"][-20:]]
    took_ms = [writer.do("revoke", key_id)["took_ms"] for key_id in key_ids]
    say(
        f"revoke, 4 processes: median {statistics.median(took_ms):.0f} ms, longest {max(took_ms)} ms, of {len(took_ms)}"
    )


def _key_id(portal: live.Live, key: str) -> str:
    body = json.loads(_whoami(portal, key))
    found: str = body["credential"]["id"]
    return found


def _whoami(portal: live.Live, key: str) -> bytes:
    return httpx.get(f"{portal.url}/v1/whoami", headers={"Authorization": f"Bearer {key}"}).content


def _port(portal: live.Live) -> int:
    return int(portal.url.rsplit(":", 1)[1])


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
