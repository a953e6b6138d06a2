"""The front door: who gets which request, and that machines are never shown a page."""

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.edge import lifespan
from portal.edge.request_body import Message
from tests.support.asgi import ask
from tests.support.environment import ON_SQLITE

if not ON_SQLITE:  # embedded, it may be imported by what `serve` starts alone
    from portal.asgi import application


@pytest.mark.parametrize(
    "path",
    ["/v1/", "/v1/nothing", "/v1/validate/", "/.well-known/", "/.well-known/nothing", "/healthz/", "/metricsx"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_machine_path_that_nobody_takes_is_a_problem(path: str, method: str) -> None:
    reply = ask(application, method, path)
    assert (reply.status, reply["content-type"]) == (404, "application/problem+json")
    assert "set-cookie" not in dict(reply.headers)
    assert "location" not in dict(reply.headers)


@pytest.mark.django_db(transaction=True)
def test_a_password_manager_is_led_to_where_the_password_is_changed() -> None:
    reply = ask(application, "GET", "/.well-known/change-password", headers=[("host", "localhost")])
    assert (reply.status, reply["location"]) == (302, "/accounts/password/change/")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_below_oauth_such_an_error_is_rfc_6749s(method: str) -> None:
    reply = ask(application, method, "/oauth/nothing")
    assert (reply.status, reply["content-type"], reply["cache-control"]) == (404, "application/json", "no-store")
    assert reply.json["error"] == "invalid_request"


def test_hot_paths_are_answered_whatever_the_host() -> None:
    for path in ("/v1/validate", "/v1/whoami"):
        reply = ask(application, "GET", path, headers=[("host", "evil.example")])
        assert (reply.status, reply["content-type"]) == (401, "application/problem+json")


@pytest.mark.django_db(transaction=True)
def test_a_page_comes_from_django() -> None:
    reply = ask(application, "GET", "/nowhere", headers=[("host", "localhost")])
    assert reply.status == 404
    assert reply["content-type"].startswith("text/html")


@pytest.mark.django_db(transaction=True)
def test_a_form_reaches_django_through_the_guard() -> None:
    headers = [("host", "localhost"), ("content-type", "application/x-www-form-urlencoded")]
    reply = ask(application, "POST", "/accounts/login/", headers=headers, body=[b"login=", b"x"])
    assert reply.status == 403  # without a CSRF token


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "largest"), [("/accounts/login/", 2**16), ("/app/keys/new/", 2**18), ("/admin/login/", 2**20)]
)
def test_only_pages_that_need_it_read_more_than_64_kib(path: str, largest: int) -> None:
    headers = [("host", "localhost"), ("content-type", "text/plain")]
    assert ask(application, "POST", path, headers=headers, body=b"x" * largest).status != 413
    assert ask(application, "POST", path, headers=headers, body=b"x" * (largest + 1)).status == 413


def test_stopping_finishes_what_was_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    finished: list[str] = []
    monkeypatch.setattr(lifespan, "_at_stop", [lambda: finished.append("first"), lambda: finished.append("last")])
    sent: list[Message] = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(application({"type": "lifespan"}, receive, send))
    assert finished == ["last", "first"]
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_while_it_serves_no_thread_of_a_page_computes_for_long_before_the_event_loop_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifespan, "_at_stop", [])  # other tests of this process still need the threads
    before, found = sys.getswitchinterval(), []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(events)

    async def send(_message: Message) -> None:
        found.append(sys.getswitchinterval())

    try:
        asyncio.run(application({"type": "lifespan"}, receive, send))
    finally:
        sys.setswitchinterval(before)
    assert max(found) <= 0.0005


def test_the_garbage_collector_walks_nothing_that_was_there_before_serving_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifespan, "_while_serving", [])
    gc.unfreeze()
    lifespan.start()
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("module", ["portal.asgi", "portal.wsgi"])
def test_embedded_mode_starts_through_serve_alone(module: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    ran = subprocess.run(
        [sys.executable, "-c", f"import {module}"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "manage.py serve" in ran.stderr
