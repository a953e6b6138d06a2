"""The commands and files of docker-compose.yml do what they are there for: run here, without Docker."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from portal.env import BASE_DIR
from portal.operations import processes
from tests.support import environment, live
from tests.support.devservices import START_WITHIN_S, free_port, start_valkey, valkey_server

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL and Redis")
CADDY = shutil.which("caddy")
NODE = "latchkey-test"
POLL_S = 0.1
Service = dict[str, Any]


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    found: dict[str, Service] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    return found


# --- Valkey ---


def test_valkey_answers_nobody_without_its_password(services: dict[str, Service], tmp_path: Path) -> None:
    port, password = free_port(), "-pass_word"
    wrapper = tmp_path / "valkey-server"
    wrapper.write_text(f'#!/bin/sh\nexec {valkey_server()} "$@" --port {port} --bind 127.0.0.1\n')
    wrapper.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "VALKEY_PASSWORD": password}
    command = [part.replace("$$", "$") for part in services["valkey"]["command"]]
    process = processes.start(command, environ=environ, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        until_it_listens = Retry(ConstantBackoff(POLL_S), round(START_WITHIN_S / POLL_S))
        with redis.Redis(port=port, password=password, retry=until_it_listens) as client:
            assert client.ping()
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        processes.stop(process)


# --- The scheduler ---


def _is_healthy(service: Service, environ: dict[str, str]) -> bool:
    _, command = service["healthcheck"]["test"]
    command = command.replace("celery -A", f"{sys.executable} -m celery -A").replace("--timeout 10", "--timeout 1")
    command = command.replace("$$HOSTNAME", NODE)
    done = subprocess.run(["/bin/sh", "-c", command], env=environ, cwd=BASE_DIR, capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def beat(services: dict[str, Service]) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], bool]]]:
    """A running scheduler, and its health check."""
    valkey = start_valkey()
    environ = dict(os.environ) | {"REDIS_URL": valkey.url, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    command = services["beat"]["command"].split()
    process = processes.start(
        [sys.executable, "-m", *command, "--hostname", f"celerybeat@{NODE}"], environ=environ, cwd=BASE_DIR
    )
    yield process, lambda: _is_healthy(services["beat"], environ)
    process.send_signal(signal.SIGCONT)
    processes.stop(process)
    valkey.stop()


@pytest.mark.prove
def test_a_scheduler_that_hangs_is_not_healthy(
    beat: tuple["subprocess.Popen[bytes]", Callable[[], bool]],
) -> None:
    process, is_healthy = beat
    deadline = time.monotonic() + START_WITHIN_S
    while not is_healthy():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGSTOP)
    assert not is_healthy()


# --- TLS ---


@pytest.fixture
def through_caddy(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a live portal behind Caddy with compose's configuration, on free ports."""
    port = free_port()
    host = f"keys.localhost:{port}"
    with (
        live.database() as url,
        live.portal(
            tmp_path,
            database_url=url,
            PUBLIC_URL=f"https://{host}",
            ALLOWED_HOSTS="keys.localhost",
            TRUSTED_PROXIES="127.0.0.1/32",
        ) as portal,
    ):
        ours = re.sub(r"\b(web|pages):8000\b", portal.url.removeprefix("http://"), (BASE_DIR / "Caddyfile").read_text())
        only_here = f"{{\nadmin off\nskip_install_trust\nhttp_port {free_port()}\n}}\n"
        (tmp_path / "Caddyfile").write_text(only_here + ours)
        environ = {"PUBLIC_URL": f"https://{host}", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        with (tmp_path / "caddy.log").open("wb") as log:
            process = processes.start(
                [CADDY or "", "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"],
                environ=environ,
                stderr=log,
                stdout=log,
            )
        try:
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", headers={"Host": host}, verify=False) as client:  # noqa: S501  # its certificate is of an authority of its own
                client.event_hooks["request"] = [_name_the_host]
                _wait_until_served(client, log=tmp_path / "caddy.log")
                yield client
        finally:
            processes.stop(process)


def _name_the_host(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = "keys.localhost"


def _wait_until_served(client: httpx.Client, *, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(POLL_S)
        else:
            return
    raise AssertionError(log.read_text()[-2000:])


@pytest.mark.prove
@pytest.mark.skipif(not CADDY, reason="no Caddy; install Debian's package caddy")
def test_pages_and_programs_are_served_through_the_tls_service_and_nobody_chooses_an_address(
    through_caddy: httpx.Client,
) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "Forwarded": "for=203.0.113.9"}
    page = through_caddy.get("/accounts/login/", headers=forged)
    assert page.status_code == httpx.codes.OK
    assert "__Host-latchkey_csrf" in page.cookies
    refused = through_caddy.post("/v1/validate", json={"credential": "x"}, headers=forged)
    assert refused.status_code == httpx.codes.UNAUTHORIZED
