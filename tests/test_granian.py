"""The real server: what clients and PostgreSQL do to it, neither pages nor validations stop answering."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from selectolax.lexbor import LexborHTMLParser

from portal.env import BASE_DIR, PRODUCTION_SETTINGS
from portal.operations import processes
from tests.support import devservices, floods, live, strangers
from tests.support.canary import Canary
from tests.support.devservices import Service, free_port, start_postgres, start_valkey
from tests.support.environment import production
from tests.support.live import manage
from tests.test_faults import hung, tree

pytestmark = pytest.mark.prove
STALLED = 50
ANSWERS_WITHIN_S = 2.0  # the promise of the contract, not a measurement
RECOVERS_WITHIN_S = 20.0


@dataclass
class Portal:
    """A portal ready to be served: its environment, and the demo's credentials."""

    environ: dict[str, str] = field(repr=False)
    demo: dict[str, Any] = field(repr=False)
    folder: Path


@dataclass
class Server:
    """A running one."""

    port: int
    demo: dict[str, Any] = field(repr=False)
    log: Path
    backend: httpx.Client = field(default_factory=httpx.Client)

    def client(self) -> httpx.Client:
        """A browser that keeps its cookies and follows nothing."""
        return httpx.Client(base_url=f"http://localhost:{self.port}", timeout=10)

    def validate(self, *, within_s: float = ANSWERS_WITHIN_S) -> httpx.Response:
        """Validate the demo's key; no answer in time raises."""
        return self.backend.post(
            f"http://127.0.0.1:{self.port}/v1/validate",
            json={"credential": self.demo["api_key"]},
            headers={"Authorization": f"Bearer {self.demo['api']['secret']}"},
            timeout=within_s,
        )

    def probe(self, path: str) -> httpx.Response:
        """Ask a health endpoint."""
        return self.backend.get(f"http://127.0.0.1:{self.port}{path}", timeout=ANSWERS_WITHIN_S)

    def validations(self, number: int) -> list[int]:
        """The statuses of so many validations, eight at a time."""
        with ThreadPoolExecutor(8) as threads:
            return [answer.status_code for answer in threads.map(lambda _: self.validate(), range(number))]

    def send(self, text: str) -> socket.socket:
        """A connection on which this much of a request was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(text.encode())
        return connection

    def recovers(self) -> None:
        """Wait until a validation is answered; other answers are 503 and in time all along."""
        give_up_at = time.monotonic() + RECOVERS_WITHIN_S
        while (status := self.validate().status_code) != 200:
            assert status == 503
            assert time.monotonic() < give_up_at
            time.sleep(0.1)


def prepare(folder: Path, **environ: str) -> Portal:
    """Put demo data into a portal that lives in ``folder`` and has its tables."""
    (folder / "static").mkdir()
    unset = {*PRODUCTION_SETTINGS, "PORT", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    whole = kept | {"VAR_DIR": str(folder), "LOG_LEVEL": "INFO"} | environ
    return Portal(whole, json.loads(manage(whole, "demo", "--json", "--force")), folder)


@contextmanager
def serving(portal: Portal, *, workers: int) -> Iterator[Server]:
    """The portal on granian, as production starts it."""
    port, log = free_port(), portal.folder / "granian.log"
    command = [sys.executable, "-m", *processes.web(workers=workers, host="127.0.0.1", port=port)]
    environ = portal.environ | {"LATCHKEY_SERVED": "1", "PORT": str(port)}
    with log.open("ab") as out:
        process = processes.start(command, cwd=BASE_DIR, environ=environ, stdout=out, stderr=out)
    server = Server(port, portal.demo, log)
    try:
        wait_until_up(server)
        yield server
    finally:
        server.backend.close()
        processes.stop(process)


def wait_until_up(server: Server) -> None:
    """Wait for the first answer."""
    for _ in range(300):
        try:
            server.validate(within_s=5).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(server.log.read_text())


@pytest.fixture(scope="module")
def embedded_portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """A portal on SQLite."""
    folder = tmp_path_factory.mktemp("embedded")
    shutil.copytree(live.migrated_folder(), folder, dirs_exist_ok=True)
    return prepare(folder)


@pytest.fixture(scope="module")
def embedded(embedded_portal: Portal) -> Iterator[Server]:
    """That portal, served by one process."""
    with serving(embedded_portal, workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Service]:
    """A PostgreSQL of this module's own, which it may ill-treat."""
    service = start_postgres()
    with psycopg.connect(service.url.replace("/latchkey", "/postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latchkey")
    live.fill(service.url)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def fleet(postgres: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A portal in production mode, served by two processes."""
    valkey = start_valkey()
    environ = production(database_url=postgres.url) | {"REDIS_URL": valkey.url}
    try:
        with serving(prepare(tmp_path_factory.mktemp("fleet"), **environ), workers=2) as server:
            yield server
    finally:
        valkey.stop()


@pytest.fixture(autouse=True)
def nothing_leaked(request: pytest.FixtureRequest, canary: Canary) -> Iterator[None]:
    """No log of a server says a secret, and none answered 500."""
    yield
    for name in {"embedded", "fleet"}.intersection(request.fixturenames):
        server: Server = request.getfixturevalue(name)
        canary.remember(server.demo["api_key"])
        canary.remember(server.demo["api"]["secret"])
        log = server.log.read_text()
        assert not canary.is_in(log)
        assert "page.failed" not in log
        assert "request.failed" not in log


def log_in(server: Server, client: httpx.Client, *, chunked: bool) -> httpx.Response:
    """Send the sign-in form as a browser does."""
    page = LexborHTMLParser(client.get("/accounts/login/").text)
    (token, *_) = [field.attributes["value"] for field in page.css("input[name=csrfmiddlewaretoken]")]
    user = server.demo["user"]
    form = httpx.QueryParams(login=user["email"], password=user["password"], csrfmiddlewaretoken=token)
    body = str(form).encode()
    content: Any = iter([body[:10], body[10:]]) if chunked else body
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": str(client.base_url)}
    return client.post("/accounts/login/", content=content, headers=headers)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_signs_in_whole_or_chunked(embedded: Server, chunked: bool) -> None:
    with embedded.client() as client:
        answer = log_in(embedded, client, chunked=chunked)
    assert answer.status_code == 302


def test_a_chunked_request_is_answered(embedded: Server) -> None:
    body = json.dumps({"credential": embedded.demo["api_key"]}).encode()
    headers = {"Authorization": f"Bearer {embedded.demo['api']['secret']}", "Content-Type": "application/json"}
    with embedded.client() as client:
        answer = client.post("/v1/validate", content=iter([body[:9], body[9:]]), headers=headers)
    assert answer.json()["valid"] is True


@pytest.mark.parametrize("path", ["/accounts/login/", "/v1/validate"])
def test_an_upload_cut_off_half_way_harms_nobody(embedded: Server, path: str) -> None:
    for _ in range(5):
        embedded.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf").close()
    with embedded.client() as client:
        assert client.get("/").status_code == 200
    assert embedded.validate().json()["valid"] is True


@pytest.mark.parametrize("path", ["/accounts/login/", "/v1/validate", "/oauth/token"])
@pytest.mark.parametrize(
    "broken", ["Content-Length: 1000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n"]
)
def test_a_body_that_breaks_off_or_is_badly_chunked_is_a_400(embedded: Server, path: str, broken: str) -> None:
    kind = "application/x-www-form-urlencoded" if path == "/oauth/token" else "application/json"
    headers = f"Host: localhost\r\nAuthorization: Bearer {embedded.demo['api']['secret']}\r\nContent-Type: {kind}"
    with closing(embedded.send(f"POST {path} HTTP/1.1\r\n{headers}\r\n{broken}")) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"broke off" in answer


@pytest.mark.parametrize("path", ["/accounts/login/", "/v1/validate"])
def test_stalled_uploads_stop_neither_pages_nor_validations(embedded: Server, path: str) -> None:
    secret = embedded.demo["api"]["secret"]
    headers = f"Host: localhost\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
    with ExitStack() as stalled, embedded.client() as client:
        for _ in range(STALLED):
            request = f"POST {path} HTTP/1.1\r\n{headers}Content-Length: 1000\r\n\r\nhalf"
            stalled.enter_context(closing(embedded.send(request)))
        assert [client.get("/").status_code for _ in range(3)] == [200] * 3
        assert set(embedded.validations(20)) == {200}


def test_readers_that_never_read_stop_no_pages(embedded: Server) -> None:
    with ExitStack() as silent, embedded.client() as client:
        for _ in range(STALLED):
            request = "GET /accounts/signup/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
            silent.enter_context(closing(embedded.send(request)))
        assert client.get("/").status_code == 200


def test_crowds_and_floods_of_every_kind_stop_nobody(embedded: Server) -> None:
    flooding = floods.of_every_kind(embedded.demo, embedded.port)
    crowd = strangers.idle(1_200), strangers.half_open(600)  # more than the server would take at once
    with strangers.attack(embedded.port, *crowd, *flooding) as statuses, embedded.client() as client:
        assert embedded.validate(within_s=10).status_code == 200
        assert client.get("/healthz").status_code == 200
    assert {200, 400, 401} <= set(statuses) <= {200, 400, 401, 429, 503}


def test_connections_that_say_nothing_are_closed(embedded: Server) -> None:
    said = ("", "GET / HTTP/1.1\r\nHost:", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with ExitStack() as silent:
        for connection in [silent.enter_context(closing(embedded.send(text))) for text in said]:
            connection.settimeout(60)
            while connection.recv(4096):
                pass


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_one_setting_lets_the_server_listen_on_ipv4_and_ipv6() -> None:
    port = free_port()
    command = processes.web(workers=1, host="::", port=port, app="tests.bench.bare:application")
    process = processes.start([sys.executable, "-m", *command], cwd=BASE_DIR, environ=os.environ | {"BARE_BYTES": "10"})
    try:
        for host in ("127.0.0.1", "[::1]"):
            give_up_at = time.monotonic() + RECOVERS_WITHIN_S
            while True:
                try:
                    assert httpx.post(f"http://{host}:{port}/", content=b"{}").status_code == 200
                    break
                except httpx.TransportError:
                    assert time.monotonic() < give_up_at
                    time.sleep(0.1)
    finally:
        processes.stop(process)


def test_an_underscored_header_forges_nothing(embedded: Server) -> None:
    request = f"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nX_Api_Key: {embedded.demo['api_key']}\r\n\r\n"
    with closing(embedded.send(request)) as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 401 ")


def test_a_stopped_server_has_written_every_use(embedded_portal: Portal) -> None:
    def counted() -> int:
        with closing(sqlite3.connect(embedded_portal.folder / "db.sqlite3")) as database:
            total: int = database.execute("SELECT coalesce(sum(count), 0) FROM keys_usage").fetchone()[0]
        return total

    with serving(embedded_portal, workers=1) as server:
        before = counted()
        assert set(server.validations(30)) == {200}
    assert counted() >= before + 30


def test_validations_go_on_when_connections_are_terminated(fleet: Server, postgres: Service) -> None:
    assert set(fleet.validations(20)) == {200}
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert set(fleet.validations(20)) == {200}


def test_a_hung_database_is_outlived_by_kept_copies_or_a_503_in_time(fleet: Server, postgres: Service) -> None:
    fleet.recovers()
    with hung(*tree(postgres)):
        assert set(fleet.validations(24)) <= {200, 503}
        assert fleet.probe("/readyz").status_code == 503
        assert fleet.probe("/healthz").status_code == 200
    fleet.recovers()


def test_a_stopped_database_is_outlived_by_kept_copies_or_a_503_in_time(fleet: Server, postgres: Service) -> None:
    fleet.recovers()
    postgres.process.send_signal(signal.SIGINT)
    postgres.process.wait()
    try:
        assert set(fleet.validations(24)) <= {200, 503}
    finally:
        as_user = devservices._drop_root()
        postgres.process = processes.start(
            postgres.process.args,  # type: ignore[arg-type]  # the list it was started with
            farewell=signal.SIGINT,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_user,
        )
    fleet.recovers()
