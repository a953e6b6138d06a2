"""The servers that Latchkey is measured beside: the bare one, and its peer djangorestframework-api-key."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from portal.env import BASE_DIR
from portal.operations import processes
from tests.bench import load
from tests.support.devservices import free_port

ANSWER_BYTES = 440
PEER_PYTHON = BASE_DIR / "var" / "peer" / "bin" / "python"
PEER_THREADS = 4  # cheaper than 1, 16 or granian's default
START_WITHIN_S = 30

Server = tuple[int, int]  # its port and its process


@contextmanager
def bare(workers: int) -> Iterator[Server]:
    """The bare server. It keeps its kind of event loop, whatever that of the front door, so that ratios compare."""
    port, app = free_port(), "tests.bench.bare:application"
    command = processes.web(workers=workers, host="127.0.0.1", port=port, app=app, loop="asyncio")
    with _serving(Path(sys.executable), command, port, {"BARE_BYTES": str(ANSWER_BYTES)}) as server:
        yield server


@contextmanager
def peer(database_url: str, *, keys: int) -> Iterator[tuple[Server, list[bytes]]]:
    """The peer on an empty database, and a request with each of its keys."""
    environ, port = {"DATABASE_URL": database_url}, free_port()
    fill = [str(PEER_PYTHON), "-m", "tests.bench.peer_app", str(keys)]
    made = json.loads(
        subprocess.run(fill, cwd=BASE_DIR, env=os.environ | environ, check=True, capture_output=True).stdout
    )
    command = (
        f"granian --interface wsgi --http 1 --no-ws --workers 1 --blocking-threads {PEER_THREADS}"
        f" --host 127.0.0.1 --port {port} tests.bench.peer_app:application"
    )
    with _serving(PEER_PYTHON, command.split(), port, environ) as server:
        yield server, [load.get("/", authorization=f"Api-Key {key}") for key in made]


@contextmanager
def _serving(python: Path, command: list[str], port: int, environ: Mapping[str, str]) -> Iterator[Server]:
    process = processes.start(
        [python, "-m", *command],
        environ=os.environ | environ,
        cwd=BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_listening(port)
        yield port, process.pid
    finally:
        processes.stop(process)


def _wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
