"""Run a real portal: granian in production mode, with its own PostgreSQL database and the run's Valkey."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from psycopg.sql import SQL, Identifier

from portal.env import BASE_DIR
from portal.operations import processes
from tests.support import environment
from tests.support.devservices import free_port, postgres_program

READY_WITHIN_S = 60
DEMO_KEYS = 10
NAMED = "tests.support.named_process:application"  # each response names its process


@dataclass
class Live:
    """A running portal."""

    url: str
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def log(self) -> str:
        """The log so far. It contains the mails, which go to the console."""
        return (self.folder / "web.log").read_text(errors="replace")

    def tables(self) -> str:
        """The contents of all tables of its database, as text."""
        with psycopg.connect(self.environ["DATABASE_URL"]) as connection:
            names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            return repr([connection.execute(SQL("TABLE {}").format(Identifier(name))).fetchall() for (name,) in names])

    def workers(self) -> list[int]:
        """The pids of the processes that serve requests."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children] or [pid]

    def resident_mib(self, *, resets_peak: bool = False) -> dict[int, float]:
        """The resident memory of each worker by pid, in MiB; ``resets_peak`` makes ``peak_mib`` start from now."""
        if resets_peak:
            for pid in self.workers():
                Path(f"/proc/{pid}/clear_refs").write_text("5")
        return {pid: _mib(pid, "VmRSS") for pid in self.workers()}

    def peak_mib(self) -> dict[int, float]:
        """The peak resident memory of each worker by pid, in MiB."""
        return {pid: _mib(pid, "VmHWM") for pid in self.workers()}

    def manage(self, *arguments: str, within_s: float = 120) -> str:
        """The output of a management command, run with the portal's environment."""
        return manage(self.environ, *arguments, within_s=within_s)

    def mailed_code(self, address: str) -> str:
        """The newest code that was mailed to the address."""
        return self.mailed(address, r"^    (\d{6})$")

    def mailed_link(self, address: str) -> str:
        """The first link of the newest mail to the address."""
        return self.mailed(address, r"^(https?://\S+)$")

    def mailed(self, address: str, pattern: str) -> str:
        """The pattern's first group in the newest mail to the address; waits up to 20 seconds for it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            _, is_mailed, newest = self.log.rpartition(f"To: {address}\n")
            if is_mailed and (found := re.search(pattern, newest, re.MULTILINE)):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"nothing of this kind was mailed to {address}")


def _mib(pid: int, what: str) -> float:
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def manage(environ: Mapping[str, str], *arguments: str, within_s: float = 120) -> str:
    """The output of a management command. If the command fails, the test fails with its error output."""
    command = [sys.executable, str(BASE_DIR / "manage.py"), *arguments]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False, timeout=within_s)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def database(*, is_empty: bool = False) -> Iterator[str]:
    """The URL of a new migrated database in the run's PostgreSQL; with ``is_empty`` it has no tables."""
    with _copy_of("template0" if is_empty else migrated()) as url:
        yield url


@contextmanager
def database_with_demo() -> Iterator[tuple[str, dict[str, Any]]]:
    """The URL of a new database with the demo's data, and what ``manage.py demo`` says of it."""
    with _copy_of(_with_demo()) as url:
        yield url, json.loads(_demo_file().read_text())


@contextmanager
def _copy_of(template: str) -> Iterator[str]:
    name = f"live_{uuid.uuid4().hex}"
    with psycopg.connect(_in_cluster("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield _in_cluster(name)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def migrated() -> str:
    """The template that all databases of the run are copied from."""
    return _template("migrated", "template0", migrate)


def _with_demo() -> str:
    return _template("with_demo", migrated(), _add_demo)


def _template(name: str, origin: str, fill: Callable[[str], None]) -> str:
    """A copy of the origin, filled by the first process that needs it."""
    with psycopg.connect(_in_cluster("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # held until this connection closes
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount == 0:
            connection.execute(SQL("CREATE DATABASE half_made TEMPLATE {}").format(Identifier(origin)))
            fill(_in_cluster("half_made"))
            connection.execute(SQL("ALTER DATABASE half_made RENAME TO {}").format(Identifier(name)))
    return name


def _in_cluster(name: str) -> str:
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def migrate(database_url: str) -> None:
    """Create the tables of an empty database."""
    manage(_environ(database_url), "migrate", "--verbosity=0")


def _add_demo(database_url: str) -> None:
    said = manage(_environ(database_url), "demo", "--json", "--force", f"--keys={DEMO_KEYS}")
    _demo_file().write_text(said)


def _demo_file() -> Path:
    return environment.RUN_FOLDER / "demo.json"


def fill(database_url: str) -> None:
    """Copy the migrated template into an empty database of another server, which is faster than to migrate it."""
    with database() as origin:
        _copy(origin, database_url)


def fill_with_demo(database_url: str) -> dict[str, Any]:
    """Copy the demo's data into an empty database of another server; returns what ``manage.py demo`` says of it."""
    with database_with_demo() as (origin, demo):
        _copy(origin, database_url)
    return demo


def _copy(origin: str, database_url: str) -> None:
    dump: list[str | Path] = [postgres_program("pg_dump"), "--format=custom", origin]
    restore: list[str | Path] = [postgres_program("pg_restore"), f"--dbname={database_url}", "--exit-on-error"]
    with subprocess.Popen(dump, stdout=subprocess.PIPE) as dumped:
        subprocess.run(restore, stdin=dumped.stdout, check=True)


def migrated_folder() -> Path:
    """The data folder of a portal in embedded mode, migrated once per run; to be copied."""
    folder = environment.RUN_FOLDER / "embedded"
    with once(folder) as is_first:
        if is_first:
            environ = environment.embedded_environ()
            manage(
                environ | {"VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "portal.settings"},
                "migrate",
                "--verbosity=0",
            )
    return folder


def _static_files() -> Path:
    """The folder of the collected static files, made once per run for all portals."""
    folder = environment.RUN_FOLDER / "collected"
    with once(folder) as is_first:
        if is_first:
            environ = _environ("postgresql://127.0.0.1:1/none") | {"VAR_DIR": str(folder)}
            manage(environ, "collectstatic", "--noinput", "--verbosity=0")
    return folder / "static"


@contextmanager
def once(folder: Path) -> Iterator[bool]:
    """Make a folder that all processes of the run share; yields True in the first, and the others wait for its end."""
    with folder.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)  # held until the file closes
        is_first = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            yield is_first
        except BaseException:
            shutil.rmtree(folder)  # nobody may take it for complete
            raise


def _environ(database_url: str) -> dict[str, str]:
    return dict(os.environ) | {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "portal.settings"}


@contextmanager
def portal(
    folder: Path,
    *,
    database_url: str,
    workers: int = 1,
    application: str = "portal.asgi:application",
    **settings: str,
) -> Iterator[Live]:
    """A portal on a migrated database, with the settings that production mode requires and the given ones."""
    port = free_port()
    environ = _environ(database_url) | {"PUBLIC_URL": f"http://localhost:{port}", "VAR_DIR": str(folder)} | settings
    shutil.copytree(_static_files(), folder / "static")
    command = processes.web(workers=workers, host="127.0.0.1", port=port, app=application)
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
