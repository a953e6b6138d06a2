"""``/healthz``: the process responds. ``/readyz``: its dependencies respond, too; one JSON line for each check.

A failed ``sweeps`` check does not make ``/readyz`` fail: pages and verdicts work without the worker, so its death must
not take web processes out of service. Checks run in their own threads, each with a deadline. A check that hangs is not
started a second time.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import msgspec
import redis
from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from msgspec import Struct

from portal.edge.bounds import Bounds, PlainHttp, Sender
from portal.edge.endpoint import Answer, Request, endpoint, require_get
from portal.operations.sweep_runs import last_sweep

DEADLINE_S = 1.5
TOLD_FOR_S = 0.5  # a round of checks costs 14 ms of CPU, and anybody may request it
MAX_CLOCK_SKEW_S = 5.0
MAX_SWEEP_AGE_S = 600.0  # sweeps run each minute
INFORMING = frozenset({"sweeps"})
LINES = "application/x-ndjson"

log = logging.getLogger(__name__)


class Unhealthy(Exception):
    """A check failed; the text tells the operator why."""


class Line(Struct, frozen=True):
    """The result of one check."""

    check: str
    ok: bool
    took_ms: int
    detail: str


def check_database() -> None:
    """Check that the database responds and accepts writes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_read_only')" if connection.vendor == "postgresql" else "SELECT 'off'"
        )
        if cursor.fetchone() == ("on",):
            raise Unhealthy("it is read-only")


def check_migrations() -> None:
    """Check that every migration of the code is applied."""
    missing = _known_migrations().difference(MigrationRecorder(connection).applied_migrations())
    if missing:
        raise Unhealthy(f"{len(missing)} migrations are not applied")


def check_clock() -> None:
    """Check that this machine's clock and the database's differ by at most 5 s: expiry is decided by this machine's."""
    before = time.time()
    with connection.cursor() as cursor:
        # Seconds since the epoch on both; SQLite's clock is this machine's.
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp())"
            if connection.vendor == "postgresql"
            else "SELECT (julianday('now') - 2440587.5) * 86400"
        )
        theirs = float(cursor.fetchone()[0])
    skew = max(before - theirs, theirs - time.time(), 0.0)
    if skew > MAX_CLOCK_SKEW_S:
        raise Unhealthy(f"the database's clock is {skew:.1f} s away")


def check_redis() -> None:
    """Check that Redis accepts a write."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.set("latchkey:ready", 1, px=1_000)
    except redis.ResponseError as exc:
        raise Unhealthy(f"it refuses writes ({type(exc).__name__})") from exc
    except redis.RedisError as exc:
        raise Unhealthy(f"no answer ({type(exc).__name__})") from exc
    finally:
        client.close()


def check_sweeps() -> None:
    """Check that some sweep completed recently: the worker and the scheduler run."""
    last = last_sweep()
    if last is None:
        raise Unhealthy("none has gone through yet")
    age_s = time.time() - last.timestamp()
    if age_s > MAX_SWEEP_AGE_S:
        raise Unhealthy(f"the last one went through {age_s:.0f} s ago: do worker and scheduler run?")


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    return frozenset(loader.disk_migrations)


class Checks:
    """Run checks concurrently: each check at most once at a time, and a round at most every half second."""

    def __init__(self, checks: dict[str, Callable[[], None]]) -> None:
        self._checks = checks
        self._threads = ThreadPoolExecutor(len(checks), thread_name_prefix="health")
        self._running: dict[str, Future[Line]] = {}
        self._told: tuple[float, list[Line]] | None = None

    async def run(self) -> list[Line]:
        """Return a line for each check, at most half a second old; a check that misses the deadline is not ok."""
        if self._told is None or time.monotonic() - self._told[0] >= TOLD_FOR_S:
            began_at = time.monotonic()
            self._told = began_at, await self._run_all()
        return self._told[1]

    async def _run_all(self) -> list[Line]:
        jobs = {name: asyncio.wrap_future(self._start(name)) for name in self._checks}
        await asyncio.wait(jobs.values(), timeout=DEADLINE_S)
        return [
            job.result()
            if job.done()
            else Line(name, ok=False, took_ms=round(DEADLINE_S * 1000), detail="no answer yet")
            for name, job in jobs.items()
        ]

    def _start(self, name: str) -> "Future[Line]":
        job = self._running.get(name)
        if job is None or job.done():
            job = self._running[name] = self._threads.submit(_run, name, self._checks[name])
        return job


def _run(name: str, check: Callable[[], None]) -> Line:
    started = time.monotonic()
    close_old_connections()
    detail = "ok"
    try:
        check()
    except Unhealthy as exc:
        detail = str(exc)
    except Error as exc:
        detail = f"no answer ({type(exc).__name__})"
    finally:
        close_old_connections()
    if detail != "ok" and name not in INFORMING:
        log.warning("health.check_failed", extra={"check": name, "detail": detail})
    return Line(name, detail == "ok", round((time.monotonic() - started) * 1000), detail)


CHECKS = Checks(
    {
        "database": check_database,
        "migrations": check_migrations,
        "clock": check_clock,
        "sweeps": check_sweeps,
        **({"redis": check_redis} if settings.REDIS_URL else {}),
    }
)


async def _healthz(request: Request) -> Answer:
    require_get(request)
    return Answer(b'{"status":"ok"}\n')


async def _readyz(request: Request) -> Answer:
    require_get(request)
    lines = await CHECKS.run()
    body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    return Answer(body, 200 if all(line.ok or line.check in INFORMING for line in lines) else 503, LINES)


# Probes come from inside the network, over plain http.
_PROBE = Bounds(Sender.ANYBODY, 0, "method", 10, PlainHttp.ANYWHERE)
healthz = endpoint(_healthz, _PROBE)
readyz = endpoint(_readyz, _PROBE)
