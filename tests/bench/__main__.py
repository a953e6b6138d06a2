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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support import environment

environment.prepare()

from keys.rules.secret import SecretKind, generate  # noqa: E402
from portal.env import BASE_DIR  # noqa: E402
from portal.operations import processes  # noqa: E402  # after the environment
from tests.bench import caches, load  # noqa: E402
from tests.bench.measure import SERVER_CORE, Figures, Target, cpu_seconds, measure, pin, report, say  # noqa: E402
from tests.bench.oauth import Costs, ask_about, ask_for_a_token, costs_of_tokens, some_tokens  # noqa: E402
from tests.bench.writer import Writer  # noqa: E402
from tests.support import live  # noqa: E402
from tests.support.devservices import free_port, start_valkey  # noqa: E402

ROUNDS = 5
CALLS = {1: 1500, 16: 4000}
OTHER_CORES = {1}
CYCLED_KEYS, LIMITED_KEYS, REVOKED_KEYS, KEPT_COPIES = 10_000, 8, 20, 100_000
COPIES_LIVE_S = 60  # the longest there is: between its turns, what is warm must not age
ANSWER_BYTES = 440
WARM, LIMITED, FOUR, SHARED = "warm validate", "warm, 1,000/s limits", "warm, 4 workers, each", "from Redis"
TOKEN, INTROSPECTION = "warm, a token", "introspection"


@contextmanager
def bare(workers: int) -> Iterator[tuple[int, int]]:
    """The bare server: its port and its process."""
    port = free_port()
    command = processes.web(workers=workers, host="127.0.0.1", port=port, app="tests.bench.bare:application")
    process = processes.start(
        [sys.executable, "-m", *command],
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

        def serve(name: str, **settings: Any) -> live.Live:
            (folder / name).mkdir()
            settings = {"SNAPSHOT_TTL": str(COPIES_LIVE_S)} | settings
            return stack.enter_context(live.portal(folder / name, database_url=database_url, **settings))

        first = serve("one")
        demo = json.loads(first.manage("demo", "--json", "--force", "--keys", str(CYCLED_KEYS), within_s=600))
        four = serve("four", workers=4)
        targets = _targets(serve, first, four, demo, [stack.enter_context(bare(workers)) for workers in (1, 4)])
        for target in targets:
            pin(target.pid)
        medians = {connections: report(targets, connections, rounds=ROUNDS) for connections in CALLS}
        say(f"CPU time of a call without each cache, {caches.CONNECTIONS} connections: median, and the middle half")
        caches.report_savings(_cache_targets(serve, demo))
        say("")
        tokens = _tokens(targets, demo)
        took_ms = revocations(four, demo, stack)
        profile = profiled(first, demo)
    weight = copies_weigh()
    conclude(medians[max(CALLS)], tokens, took_ms, weight)
    say(f"\nwhere a warm validation's own time goes\n{profile}")


def ask(demo: dict[str, Any], credential: str) -> bytes:
    """The bytes of a validation."""
    return load.post("/v1/validate", question_about(credential).encode(), bearer=demo["api"]["secret"])


def question_about(credential: str) -> str:
    """The body of a validation."""
    return json.dumps({"credential": credential, "scopes": ["orders:read"], "ip": "203.0.113.9"})


def _targets(
    serve: Callable[..., live.Live],
    one: live.Live,
    four: live.Live,
    demo: dict[str, Any],
    bare_servers: Sequence[tuple[int, int]],
) -> list[Target]:
    def at(name: str, portal: live.Live, requests: list[bytes], calls: dict[int, int] = CALLS) -> Target:
        return Target(name, _port(portal), portal.process.pid, requests, calls)

    keys: list[str] = demo["api_keys"]
    limited, others = keys[:LIMITED_KEYS], [ask(demo, key) for key in keys[LIMITED_KEYS:]]
    for key in limited:
        one.manage("credential", _key_id(one, key), "set", "--rate-limit", "1000/1")
    warm = [ask(demo, demo["api_key"])]
    shared = serve("shared", SNAPSHOT_COPIES="50")  # too few to keep keys; API and organization stay
    gone = start_valkey()
    alone = serve("alone", REDIS_URL=gone.url)
    gone.stop()  # what is left is the database
    fewer = {connections: calls // 4 for connections, calls in CALLS.items()}
    all_of_them = {max(CALLS): len(others)}  # one after the other, they would age before their turn comes again
    some = others[: fewer[max(CALLS)]]
    [token] = some_tokens(_port(one), demo["client"], 1)
    return [
        Target("bare", *bare_servers[0], warm, CALLS),
        at(WARM, one, warm),
        at(LIMITED, one, [ask(demo, key) for key in limited]),
        at(f"warm, {CYCLED_KEYS:,} keys", one, others, all_of_them),
        Target("bare, 4 workers", *bare_servers[1], warm, CALLS),
        at("warm, 4 workers", four, warm),
        Target(FOUR, _port(four), four.process.pid, warm, CALLS, times=4),
        at(TOKEN, one, [ask(demo, token)]),
        at(INTROSPECTION, one, [ask_about(token, bearer=demo["api"]["secret"])]),
        at(SHARED, shared, some, fewer),
        at("from the database", alone, warm, fewer),
    ]


def _cache_targets(serve: Callable[..., live.Live], demo: dict[str, Any]) -> dict[str, Target]:
    """The lines for which caches are switched off, on servers of their own."""
    one = serve("caches", application=caches.APPLICATION)
    few = serve("few", application=caches.APPLICATION, SNAPSHOT_COPIES="20")
    gone = start_valkey()
    alone = serve("cacheless", application=caches.APPLICATION, REDIS_URL=gone.url)
    gone.stop()
    bound, *keys = demo["api_keys"][LIMITED_KEYS : LIMITED_KEYS + 101]
    one.manage("credential", _key_id(one, bound), "set", "--networks", "203.0.113.0/24")
    [token] = some_tokens(_port(one), demo["client"], 1)
    warm = [ask(demo, demo["api_key"])]
    asked = {
        caches.WARM: (one, warm),
        caches.NETWORKS: (one, [ask(demo, bound)]),
        caches.TOKEN: (one, [ask(demo, token)]),
        caches.ISSUED: (one, [ask_for_a_token(demo["client"])]),
        caches.UNKNOWN: (one, [ask(demo, generate("lk", SecretKind.LIVE).text)]),
        caches.SHARED: (few, [ask(demo, key) for key in keys]),
        caches.DATABASE: (alone, warm),
    }
    for portal in (one, few, alone):
        pin(portal.process.pid)
    calls = {caches.CONNECTIONS: CALLS[caches.CONNECTIONS] // 8}
    return {
        name: Target(name, _port(portal), portal.process.pid, requests, calls)
        for name, (portal, requests) in asked.items()
    }


def _tokens(targets: list[Target], demo: dict[str, Any]) -> Costs:
    """What tokens cost on the server that is asked for warm validations."""
    bare, one = targets[0], targets[1]
    warm = next(target for target in targets if target.name == TOKEN)
    issued = Target("token", one.port, one.pid, [ask_for_a_token(demo["client"])], CALLS)
    connections = max(CALLS)

    def first_us(tokens: Sequence[str]) -> float:
        requests = [ask(demo, token) for token in tokens]
        before = cpu_seconds(one.pid)
        asyncio.run(load.run(one.port, requests, connections=connections, total=len(requests)))
        return (cpu_seconds(one.pid) - before) / len(requests) * 1e6

    return costs_of_tokens(
        bare_us=lambda: measure(bare, connections).cpu_us,
        issue_us=lambda: measure(issued, connections).cpu_us,
        warm_us=lambda: measure(warm, connections).cpu_us,
        first_us=first_us,
        tokens=lambda count: some_tokens(one.port, demo["client"], count),
        core=SERVER_CORE,
        rounds=ROUNDS,
    )


def revocations(four: live.Live, demo: dict[str, Any], stack: ExitStack) -> list[float]:
    """How long revocations take, in ms from call to answer, with four web processes that know the keys.

    Each is refused at once after.
    """
    writer = stack.enter_context(Writer(four.environ))
    took_ms = []
    for key in demo["api_keys"][-REVOKED_KEYS:]:
        key_id = _key_id(four, key)
        for _ in range(8):  # connections of their own, so that each process comes to know it
            _whoami(four, key)
        done = writer.do("revoke", key_id)
        took_ms.append((done["ended"] - done["started"]) * 1000)
        for _ in range(8):
            if json.loads(_whoami(four, key))["code"] != "REVOKED":
                raise AssertionError("a revoked key was let through")
    return took_ms


def profiled(portal: live.Live, demo: dict[str, Any]) -> str:
    """The functions that take most of a warm validation's time, as lines."""
    question = json.dumps({"body": question_about(demo["api_key"]), "bearer": demo["api"]["secret"]})
    command = [sys.executable, "-m", "tests.bench.profile"]
    return subprocess.run(
        command, cwd=BASE_DIR, check=True, env=portal.environ, input=question, capture_output=True, text=True
    ).stdout


def copies_weigh() -> int:
    """The bytes that 100,000 own copies of keys take in a process."""
    command = [sys.executable, "-m", "tests.bench.memory", str(KEPT_COPIES)]
    return int(subprocess.run(command, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout)


def conclude(medians: dict[str, Figures], tokens: Costs, took_ms: list[float], weight: int) -> None:
    """Print each bound and what was found."""
    bounds = [
        ("warm validate, CPU", medians[WARM].cpu_ratio, 1.8, "x bare"),
        ("with a limit of 1,000/s, CPU", medians[LIMITED].cpu_ratio, 2.0, "x bare"),
        ("from Redis, CPU", medians[SHARED].cpu_ratio, 4.0, "x bare"),
        ("4 workers, as busy each, CPU", medians[FOUR].cpu_us / medians[WARM].cpu_us, 1.1, "x one worker"),
        ("a token issued, CPU", tokens.issued, 2.0, "x bare and a signature"),
        ("a warm token, CPU", medians[TOKEN].cpu_ratio, 2.0, "x bare"),
        ("a token first seen, CPU", tokens.first_seen, 1.5, "x warm and a signature checked"),
        ("introspection, CPU", medians[INTROSPECTION].cpu_ratio, 2.5, "x bare"),
        ("a list of 1,048,576 tokens", tokens.list_s, 2.0, "s"),
        ("warm validate, p99", medians[WARM].p99_ratio, 3.0, "x bare"),
        (f"{KEPT_COPIES:,} own copies", weight / 1e6, 120, "MB"),
        (f"revoke, 4 processes, of {len(took_ms)}", statistics.median(took_ms), 50, f"ms (longest {max(took_ms):.0f})"),
    ]
    for name, found, bound, unit in bounds:
        say(f"{name:32}{found:7.2f} of {bound:g} {unit}: {'reached' if found <= bound else 'MISSED'}")


def _port(portal: live.Live) -> int:
    return int(portal.url.rsplit(":", 1)[1])


def _key_id(portal: live.Live, key: str) -> str:
    body = json.loads(_whoami(portal, key))
    found: str = body["credential"]["id"]
    return found


def _whoami(portal: live.Live, key: str) -> bytes:
    return httpx.get(f"{portal.url}/v1/whoami", headers={"Authorization": f"Bearer {key}"}).content


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
