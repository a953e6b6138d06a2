"""``manage.py serve``: run web, worker and beat on one machine; Ctrl-C stops all three, and none outlives it."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from portal.operations import processes
from portal.operations.served import FolderTaken, folder_held

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where a server that listens everywhere is asked
READY_WITHIN_S = 60
POLL_S = 0.05
Children = dict[str, "subprocess.Popen[bytes]"]


class Command(BaseCommand):
    """Run the whole portal."""

    help = "Run web, worker and beat on this machine under one Ctrl-C."
    requires_system_checks: tuple[()] = ()  # the processes it starts run their own

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=1 if settings.EMBEDDED else 2, help="web processes")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Start all processes, print the URL, and wait for Ctrl-C or until a process ends by itself."""
        address = settings.PUBLIC_URL if settings.EMBEDDED else f"http://{settings.WEB_HOST}:{settings.PORT}"
        try:
            with folder_held(address):
                self._serve(options["workers"])
        except FolderTaken as exc:
            raise CommandError(
                f"{settings.VAR_DIR} is being served already, at {exc}. To run a second portal, give it a folder and a"
                " port of its own: VAR_DIR=var2 PORT=8001 make run"
            ) from None

    def _serve(self, workers: int) -> None:
        _refuse_a_taken_port()
        for request_to_stop in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs begin with SIGINT ignored
            signal.signal(request_to_stop, signal.default_int_handler)
        try:
            if settings.EMBEDDED:
                settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
                call_command("migrate", verbosity=0)
            with _running(workers) as children:
                self._say_where_to_go(children)
                ended = _wait_for_an_end(children)
                raise CommandError(f"The {ended} ended by itself, so everything was stopped.")
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    def _say_where_to_go(self, children: Children) -> None:
        if settings.EMBEDDED:
            call_command("demo", "--once", stdout=self.stdout)  # by name: it lives in an app above this one
        _wait_until_ready(children)
        mails = "mails are shown here; " if settings.EMBEDDED else ""
        ready = self.style.SUCCESS(f"Latchkey is ready at {settings.PUBLIC_URL}")
        self.stdout.write(f"\n{ready}  ({mails}Ctrl-C stops it)\n\n")
        self.stdout.flush()


def _refuse_a_taken_port() -> None:
    try:
        family = socket.AF_INET6 if ":" in settings.WEB_HOST else socket.AF_INET
        socket.create_server((settings.WEB_HOST, settings.PORT), family=family).close()
    except OSError:
        raise CommandError(f"Port {settings.PORT} is taken. Choose another: PORT=8001 make run") from None


@contextmanager
def _running(workers: int) -> Iterator[Children]:
    """Run the processes during the block."""
    environ = os.environ | {"LATCHKEY_SERVED": "1", "PORT": str(settings.PORT)}
    environ["PROMETHEUS_MULTIPROC_DIR"] = str(_emptied(settings.VAR_DIR / "metrics"))
    children: Children = {}
    try:
        for name, command in _commands(workers).items():
            children[name] = processes.start([sys.executable, "-m", *command], environ=environ, cwd=settings.BASE_DIR)
        yield children
    finally:
        processes.stop(*children.values())


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _commands(workers: int) -> dict[str, list[str]]:
    celery, pool = "celery --quiet --app portal", "--pool solo" if settings.EMBEDDED else ""
    return {
        "web": [*processes.web(workers=workers, host=settings.WEB_HOST, port=settings.PORT), "--log-level", "warning"],
        "worker": f"{celery} worker {pool} --without-gossip --without-mingle --without-heartbeat".split(),
        "beat": f"{celery} beat --pidfile=".split(),
    }


def _wait_until_ready(children: Children) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        ended = _ended(children)
        if ended:
            raise CommandError(f"The {ended} did not start; what it said stands above.")
        if _is_ready():
            return
        time.sleep(POLL_S)
    raise CommandError(f"Not ready after {READY_WITHIN_S} s; {settings.PUBLIC_URL}/readyz says why.")


def _is_ready() -> bool:
    host = ANY_HOST.get(settings.WEB_HOST, settings.WEB_HOST)
    connection = http.client.HTTPConnection(host, settings.PORT, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_for_an_end(children: Children) -> str:
    while not (ended := _ended(children)):
        time.sleep(POLL_S * 4)
    return ended


def _ended(children: Children) -> str:
    return next((name for name, process in children.items() if process.poll() is not None), "")
