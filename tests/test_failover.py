"""The address of Redis leads to another server, and the old one is its replica: worker and scheduler go on."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from socket import create_connection, create_server, socket
from threading import Thread

import pytest
import redis

from keys.validation.usage.queue import AT_WORK
from portal.env import BASE_DIR
from portal.operations import processes
from tests.support import environment, live
from tests.support.devservices import start_valkey

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="the broker is Redis")
WITHIN_S = 60


class Address:
    """A port that leads new connections to one server; those that stand stay where they are."""

    def __init__(self, port: int) -> None:
        self.leads_to = port
        self._door = create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._door.getsockname()[1]}/0"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                came, _ = self._door.accept()
            except OSError:  # closed
                return
            Thread(target=_carry, args=(came, self.leads_to), daemon=True).start()


def _carry(came: socket, port: int) -> None:
    with came, create_connection(("127.0.0.1", port)) as there, DefaultSelector() as either:
        either.register(came, EVENT_READ, there)
        either.register(there, EVENT_READ, came)
        while True:
            for key, _ in either.select():
                try:
                    chunk = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # both are sockets
                    key.data.sendall(chunk)
                except OSError:
                    return
                if not chunk:
                    return


@contextmanager
def celery(folder: Path, environ: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """``celery -A portal …``."""
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = processes.start(
            [sys.executable, "-m", "celery", "-A", "portal", *arguments],
            environ=environ,
            cwd=BASE_DIR,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        processes.stop(process)


def works(server: "redis.Redis", *running: "subprocess.Popen[bytes]") -> None:
    """Wait until the worker leaves its sign there."""
    give_up_at = time.monotonic() + WITHIN_S
    while not server.exists(AT_WORK):
        assert [process.poll() for process in running] == [None] * len(running)
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


@pytest.mark.prove
def test_worker_and_scheduler_outlive_a_failover_to_another_server(tmp_path: Path) -> None:
    with ExitStack() as stack:
        old, new = start_valkey(), start_valkey()
        stack.callback(old.stop)
        stack.callback(new.stop)
        ports = [int(service.url.rsplit(":", 1)[1].split("/")[0]) for service in (old, new)]
        was, becomes = (stack.enter_context(redis.Redis.from_url(service.url)) for service in (old, new))
        address = stack.enter_context(closing(Address(ports[0])))
        url = stack.enter_context(live.database())
        environ = live._environ(url) | {"REDIS_URL": address.url, "VAR_DIR": str(tmp_path)}
        worker = stack.enter_context(celery(tmp_path, environ, "worker", "--pool", "solo", "--loglevel", "INFO"))
        beat = stack.enter_context(celery(tmp_path, environ, "beat", "--pidfile="))
        works(was, worker, beat)
        address.leads_to = ports[1]
        was.replicaof("127.0.0.1", str(ports[1]))
        works(becomes, worker, beat)
