"""Probes and metrics: what is not well is said, in time, to whoever may know."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from pydantic import SecretStr
from pytest_django import Settings

from portal.operations import health
from portal.operations.health import Checks, Unhealthy, healthz, readyz
from portal.operations.metrics import metrics
from portal.operations.sweep_runs import note_sweep
from tests.support import environment
from tests.support.asgi import Reply, ask
from tests.support.devservices import start_valkey
from tests.support.refusing import REFUSALS, read_only, refusing

both = pytest.mark.both_databases


def lines(reply: Reply) -> dict[str, bool]:
    """Each check and whether it went well."""
    told = map(json.loads, reply.body.splitlines())
    return {line["check"]: line["ok"] for line in told}


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test asks anew."""
    monkeypatch.setattr(health.CHECKS, "_told", None)


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What a check waits for that hangs."""
    event = threading.Event()
    yield event
    event.set()


def test_a_process_that_answers_is_alive() -> None:
    reply = ask(healthz)
    assert (reply.status, reply.json) == (200, {"status": "ok"})


@both
@pytest.mark.django_db(transaction=True)
def test_all_is_well_with_everything_up(settings: Settings, now: datetime) -> None:
    note_sweep("record_endings", ended_at=now)
    reply = ask(readyz)
    expected = {"database", "migrations", "clock", "sweeps"} | ({"redis"} if settings.REDIS_URL else set())
    assert (reply.status, lines(reply)) == (200, dict.fromkeys(expected, True))


@both
@pytest.mark.django_db(transaction=True)
def test_a_missing_migration_is_not_ready() -> None:
    applied = MigrationRecorder.Migration.objects.get(app="portal", name="0001_initial")
    applied.delete()
    try:
        reply = ask(readyz)
    finally:
        MigrationRecorder.Migration.objects.create(app=applied.app, name=applied.name, applied=applied.applied)
    assert (reply.status, lines(reply)["migrations"], lines(reply)["database"]) == (503, False, True)


@both
@pytest.mark.django_db(transaction=True)
def test_clocks_that_disagree_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr("portal.operations.health.time.time", lambda: real() + 60)
    reply = ask(readyz)
    assert (reply.status, lines(reply)["clock"]) == (503, False)


@both
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("idle", [None, timedelta(days=1)])
def test_a_worker_that_died_shows_and_leaves_the_web_in_service(now: datetime, idle: timedelta | None) -> None:
    if idle:
        note_sweep("record_endings", ended_at=now - idle)
    reply = ask(readyz)
    assert (reply.status, lines(reply)["sweeps"]) == (200, False)


def test_a_redis_that_is_gone_is_not_ready(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(Unhealthy):
        health.check_redis()


@pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")
@pytest.mark.parametrize("how", REFUSALS)
def test_a_redis_that_refuses_writes_is_not_ready(settings: Settings, how: str) -> None:
    valkey = start_valkey()
    settings.REDIS_URL = valkey.url
    try:
        health.check_redis()
        with refusing(valkey, how), pytest.raises(Unhealthy, match="refuses writes"):
            health.check_redis()
        health.check_redis()
    finally:
        valkey.stop()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(environment.ON_SQLITE, reason="PostgreSQL's setting")
def test_a_database_that_takes_no_writes_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with read_only(), pytest.raises(Unhealthy, match="read-only"):
        health.check_database()
    health.check_database()


def test_a_check_that_fails_says_no_more_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("connection to db.internal as latchkey failed")

    monkeypatch.setattr(health, "close_old_connections", lambda: None)
    monkeypatch.setattr(health, "CHECKS", Checks({"database": fail}))
    reply = ask(readyz)
    assert reply.status == 503
    assert b"internal" not in reply.body


def test_a_check_that_hangs_is_given_up_and_not_started_again(
    monkeypatch: pytest.MonkeyPatch, hung: threading.Event
) -> None:
    started: list[int] = []

    def hang() -> None:
        started.append(1)
        hung.wait(30)

    monkeypatch.setattr(health, "close_old_connections", lambda: None)
    monkeypatch.setattr(health, "DEADLINE_S", 0.01)
    monkeypatch.setattr(health, "CHECKS", Checks({"database": hang}))
    assert [ask(readyz).status for _ in range(3)] == [503, 503, 503]
    assert len(started) == 1


def test_whoever_asks_again_at_once_is_told_the_same_and_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    monkeypatch.setattr(health, "close_old_connections", lambda: None)
    monkeypatch.setattr(health, "TOLD_FOR_S", 60)
    monkeypatch.setattr(health, "CHECKS", Checks({"database": lambda: checked.append(1)}))
    assert [ask(readyz).status for _ in range(3)] == [200] * 3
    assert checked == [1]
    monkeypatch.setattr(health, "TOLD_FOR_S", 0)
    assert ask(readyz).status == 200
    assert checked == [1, 1]


def test_probes_come_over_plain_http(settings: Settings) -> None:
    settings.HTTPS = True
    assert ask(healthz).status == 200


@pytest.mark.parametrize("app", [healthz, readyz])
def test_probes_only_read(app: object) -> None:
    reply = ask(app, "POST")  # type: ignore[arg-type]
    assert (reply.status, reply["allow"]) == (405, "GET, HEAD")


def test_metrics_without_a_token_are_not_there_in_production(settings: Settings) -> None:
    settings.EMBEDDED, settings.METRICS_TOKEN = False, None
    assert ask(metrics).status == 404


def test_metrics_are_open_where_only_this_machine_reaches(settings: Settings) -> None:
    settings.EMBEDDED, settings.METRICS_TOKEN = True, None
    reply = ask(metrics)
    assert reply.status == 200
    assert b"\n# TYPE latchkey_validations_total counter\n" in reply.body


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer right", 200), ("Bearer wrong", 401), ("Bearer \xff", 401), ("right", 401), (None, 401)],
)
def test_metrics_want_their_token(settings: Settings, authorization: str | None, status: int) -> None:
    settings.METRICS_TOKEN = SecretStr("right")
    headers = [("authorization", authorization)] if authorization else []
    assert ask(metrics, headers=headers).status == status


def test_metrics_forget_the_gauges_of_processes_that_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    gauge = tmp_path / f"gauge_livemax_{ended.pid}.db"
    gauge.touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    settings.EMBEDDED, settings.METRICS_TOKEN = True, None
    assert ask(metrics).status == 200
    assert not gauge.exists()
