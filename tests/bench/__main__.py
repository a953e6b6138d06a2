"""``make bench``: what a validation costs, beside the least that the same server can do, in one interleaved run.

Every server is pinned to one core, one of them works at a time, and each round asks all of them in turn. CPU per call
(user and system time of the server's processes) is the figure to trust on a machine that others share.
"""

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support import environment

environment.prepare()

from keys.rules.secret import SecretKind, generate  # noqa: E402
from portal.env import BASE_DIR  # noqa: E402  # after the environment
from tests.bench import bounds, caches, load, portals, rows  # noqa: E402
from tests.bench.beside import Server, bare, peer  # noqa: E402
from tests.bench.measure import OTHER_CORES, SERVER_CORE, Target, cpu_seconds, measure, pin, report, say  # noqa: E402
from tests.bench.oauth import Costs, ask_for_a_token, costs_of_tokens, some_tokens  # noqa: E402
from tests.bench.writer import Writer  # noqa: E402
from tests.support import live  # noqa: E402
from tests.support.devservices import start_postgres, start_valkey  # noqa: E402

REVOKED_KEYS = 20


def main() -> None:
    """Run it all and print it; exit with 1 if a bar is missed."""
    os.sched_setaffinity(0, OTHER_CORES)
    machine = f"{_cpu_model()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}")
    say(f"medians of {rows.ROUNDS} interleaved rounds; servers on one core, the rest on the other\n")
    with ExitStack() as stack:
        database_url = stack.enter_context(live.database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-bench-")))
        served: dict[str, live.Live] = {}

        def serve(name: str, **settings: Any) -> live.Live:
            (folder / name).mkdir()
            portal = live.portal(folder / name, database_url=database_url, **settings)
            served[name] = stack.enter_context(portal)
            return served[name]

        stand = rows.Stand(**portals.set_up(serve))
        four = serve("four", workers=4)
        asked = _targets(stand, _server(four), [stack.enter_context(bare(workers)) for workers in (1, 4)])
        asked.append(_peer(stack))
        for target in asked:
            pin(target.pid)
        found = {connections: report(asked, connections, rounds=rows.ROUNDS) for connections in rows.CALLS}
        say(f"CPU time of a call without each cache, {caches.CONNECTIONS} connections: median, and the middle half")
        caches.report_savings(_cache_targets(serve, stand))
        say("")
        tokens = _tokens({target.name: target for target in asked}, stand)
        took_ms = revocations(four, stand, stack)
        profile = profiled(served["one"], stand)
    is_reached = bounds.conclude(found[rows.MOST], tokens, took_ms, copies_weigh())
    bounds.provision(found[rows.MOST])
    say(f"\nwhere a warm validation's own time goes\n{profile}")
    sys.exit(not is_reached)


def _targets(stand: rows.Stand, four: Server, bare_servers: Sequence[Server]) -> list[Target]:
    warm = [rows.ask(stand.demo, stand.demo["api_key"])]
    return [
        Target(rows.BARE, *bare_servers[0], warm, rows.CALLS),
        *rows.targets(stand, stand.keys, rounds=rows.ROUNDS),
        Target("bare, 4 workers", *bare_servers[1], warm, rows.CALLS),
        Target("warm, 4 workers", *four, warm, rows.CALLS, stores=stand.stores),
        Target(rows.FOUR, *four, warm, rows.CALLS, stores=stand.stores, times=4),
    ]


def _peer(stack: ExitStack) -> Target:
    postgres = start_postgres("postgres")
    stack.callback(postgres.stop)
    server, requests = stack.enter_context(peer(postgres.url, keys=portals.KEYS))
    calls = {rows.MOST: (len(requests) - 1) // rows.ROUNDS}
    return Target(rows.PEER, *server, requests, calls, stores=[postgres.process.pid], are_once=True)


def _cache_targets(serve: Callable[..., live.Live], stand: rows.Stand) -> dict[str, Target]:
    """The lines for which caches are switched off, on servers of their own."""
    one = serve("caches", application=caches.APPLICATION)
    few = serve("cached few", application=caches.APPLICATION, SNAPSHOT_COPIES="20")
    gone = start_valkey()
    alone = serve("cacheless", application=caches.APPLICATION, REDIS_URL=gone.url)
    gone.stop()
    demo, (bound, *keys) = stand.demo, stand.keys[:101]
    one.manage("credential", portals.key_id(one, bound), "set", "--networks", "203.0.113.0/24")
    [token] = some_tokens(portals.port(one), demo["client"], 1)
    warm = [rows.ask(demo, demo["api_key"])]
    asked = {
        caches.WARM: (one, warm),
        caches.NETWORKS: (one, [rows.ask(demo, bound)]),
        caches.TOKEN: (one, [rows.ask(demo, token)]),
        caches.ISSUED: (one, [ask_for_a_token(demo["client"])]),
        caches.UNKNOWN: (one, [rows.ask(demo, generate("lk", SecretKind.LIVE).text)]),
        caches.SHARED: (few, [rows.ask(demo, key) for key in keys]),
        caches.DATABASE: (alone, warm),
    }
    for portal in (one, few, alone):
        pin(portal.process.pid)
    calls = {caches.CONNECTIONS: rows.CALLS[caches.CONNECTIONS] // 8}
    return {name: Target(name, *_server(portal), requests, calls) for name, (portal, requests) in asked.items()}


def _tokens(asked: dict[str, Target], stand: rows.Stand) -> Costs:
    """What tokens cost on the server that is asked for warm validations."""
    port, pid = stand.servers["one"]

    def first_us(tokens: Sequence[str]) -> float:
        requests = [rows.ask(stand.demo, token) for token in tokens]
        before = cpu_seconds(pid)
        asyncio.run(load.run(port, requests, connections=rows.MOST, total=len(requests)))
        return (cpu_seconds(pid) - before) / len(requests) * 1e6

    return costs_of_tokens(
        bare_us=lambda: measure(asked[rows.BARE], rows.MOST).cpu_us,
        issue_us=lambda: measure(asked[rows.ISSUED], rows.MOST).cpu_us,
        warm_us=lambda: measure(asked[rows.TOKEN], rows.MOST).cpu_us,
        first_us=first_us,
        tokens=lambda count: some_tokens(port, stand.demo["client"], count),
        core=SERVER_CORE,
        rounds=rows.ROUNDS,
    )


def revocations(four: live.Live, stand: rows.Stand, stack: ExitStack) -> list[float]:
    """How long revocations take, in ms from call to answer, with four web processes that know the keys.

    Each is refused at once after.
    """
    writer = stack.enter_context(Writer(four.environ))
    took_ms = []
    for key in stand.keys[-REVOKED_KEYS:]:
        key_id = portals.key_id(four, key)
        for _ in range(8):  # connections of their own, so that each process comes to know it
            portals.whoami(four, key)
        done = writer.do("revoke", key_id)
        took_ms.append((done["ended"] - done["started"]) * 1000)
        for _ in range(8):
            if json.loads(portals.whoami(four, key))["code"] != "REVOKED":
                raise AssertionError("a revoked key was let through")
    return took_ms


def profiled(portal: live.Live, stand: rows.Stand) -> str:
    """The functions that take most of a warm validation's time, as lines."""
    question = {"body": rows.question_about(stand.demo["api_key"]), "bearer": stand.demo["api"]["secret"]}
    command = [sys.executable, "-m", "tests.bench.profile"]
    return subprocess.run(
        command,
        cwd=BASE_DIR,
        check=True,
        env=portal.environ,
        input=json.dumps(question),
        capture_output=True,
        text=True,
    ).stdout


def copies_weigh() -> int:
    """The bytes that 100,000 own copies of keys take in a process."""
    command = [sys.executable, "-m", "tests.bench.memory", str(bounds.KEPT_COPIES)]
    return int(subprocess.run(command, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout)


def _server(portal: live.Live) -> Server:
    return portals.port(portal), portal.process.pid


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
