"""A portal that really runs: granian in production mode, on a PostgreSQL database of its own and the run's Valkey."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from psycopg.sql import SQL, Identifier

from portal import processes
from portal.env import BASE_DIR, PRODUCTION_SETTINGS
from tests import environment

READY_WITHIN_S = 60


@dataclass
class Live:
    """A running portal."""

    url: str
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def log(self) -> str:
        """What it has said so far, mails included: its mail goes to the console."""
        return (self.folder / "web.log").read_text(errors="replace")

    def tables(self) -> str:
        """All that its database holds."""
        with psycopg.connect(self.environ["DATABASE_URL"]) as connection:
            names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            return repr([connection.execute(SQL("TABLE {}").format(Identifier(name))).fetchall() for (name,) in names])

    def manage(self, *arguments: str) -> str:
        """What a management command prints."""
        return manage(self.environ, *arguments)

    def mailed_code(self, address: str) -> str:
        """The newest code that was mailed to the address."""
        return self.mailed(address, r"^    (\d{6})$")

    def mailed_link(self, address: str) -> str:
        """The first link of the newest mail to the address."""
        return self.mailed(address, r"^(https?://\S+)$")

    def mailed(self, address: str, pattern: str) -> str:
        """What the newest mail to the address holds there; waits for it, as a person would."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            _, is_mailed, newest = self.log.rpartition(f"To: {address}\n")
            if is_mailed and (found := re.search(pattern, newest, re.MULTILINE)):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"nothing of this kind was mailed to {address}")


def manage(environ: Mapping[str, str], *arguments: str) -> str:
    """What a management command prints; fails the test with its complaint where it fails."""
    command = [sys.executable, str(BASE_DIR / "manage.py"), *arguments]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database of its own in the run's PostgreSQL."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = f"live_{uuid.uuid4().hex}"
    cluster = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(parts._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def portal(folder: Path, *, database_url: str, workers: int = 1, **settings: str) -> Iterator[Live]:
    """A migrated portal with only the settings that production mode needs, and those given."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if name not in PRODUCTION_SETTINGS}
    environ = clean | environment.production(database_url=database_url)
    environ |= {"REDIS_URL": os.environ["REDIS_URL"], "PUBLIC_URL": f"http://localhost:{port}", "VAR_DIR": str(folder)}
    environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings"} | settings
    manage(environ, "migrate", "--verbosity=0")
    manage(environ, "collectstatic", "--noinput", "--verbosity=0")
    web = f"granian --interface asgi --runtime-mode st --workers {workers} --respawn-failed-workers --no-ws"
    command = f"{web} --host 127.0.0.1 --port {port} portal.asgi:application".split()
    with (folder / "web.log").open("wb") as log:
        process = processes.start(
            [sys.executable, "-um", *command], environ=environ, cwd=BASE_DIR, stdout=log, stderr=log
        )
    live = Live(f"http://localhost:{port}", environ, folder, process)
    try:
        _wait_until_ready(live)
        yield live
    finally:
        processes.stop(process, farewell=signal.SIGTERM)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait_until_ready(live: Live) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and live.process.poll() is None:
        try:
            if httpx.get(f"{live.url}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the portal did not start: {live.log[-2000:]}")
