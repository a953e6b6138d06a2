"""Strangers who attack a portal, in a process of their own, and what another tenant's validations take meanwhile."""

import asyncio
import http.client
import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from portal import processes
from portal.env import BASE_DIR

GIVE_UP_S = 30.0
IDLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_OPEN = b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nAuthor"


@dataclass(frozen=True)
class Latencies:
    """What calls took, in milliseconds, and how they were answered."""

    sorted_ms: list[float]
    statuses: Counter[int]

    def percentile(self, share: float) -> float:
        """The time within which this share of the calls was answered."""
        return self.sorted_ms[min(math.floor(share * len(self.sorted_ms)), len(self.sorted_ms) - 1)]

    def __str__(self) -> str:
        p50, p99 = self.percentile(0.5), self.percentile(0.99)
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {dict(self.statuses)}"


def validations(port: int, api_secret: str, credential: str, *, number: int, every_s: float = 0.02) -> Latencies:
    """So many validations in turn, each on a connection of its own, as by a backend without a pool."""
    took, statuses = [], Counter[int]()
    for _ in range(number):
        began = time.perf_counter()
        statuses[validate(port, api_secret, credential)] += 1
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(every_s)
    return Latencies(sorted(took), statuses)


def validate(port: int, api_secret: str, credential: str, *, within_s: float = GIVE_UP_S) -> int:
    """The status of one validation on a new connection; no answer in time raises."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=within_s)
    try:
        headers = {"Authorization": f"Bearer {api_secret}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/validate", json.dumps({"credential": credential}), headers)
        with connection.getresponse() as response:
            response.read()
            return response.status
    finally:
        connection.close()


def hold_to_the_bar(name: str, quiet: Latencies, attacked: Latencies, tell: Callable[[str], None]) -> None:
    """Tell both in one line; fail where others waited too long or were answered with an error of ours."""
    tell(f"{name}: quiet {quiet}; under attack {attacked}")
    assert max(attacked.statuses) < 500
    assert attacked.percentile(0.99) <= 10 * quiet.percentile(0.99) + 50


@contextmanager
def crowd(port: int, *, idle: int = 0, half_open: int = 0) -> Iterator[None]:
    """So many connections that say nothing, opened again whenever the server closes them, while the block lasts."""
    with _elsewhere("crowd", str(port), str(idle), str(half_open)):
        yield


@contextmanager
def flood(port: int, *, headers: str, body: bytes, per_s: float) -> Iterator[None]:
    """So many requests a second, each on a connection of its own, while the block lasts."""
    head = f"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    with _elsewhere("flood", str(port), str(per_s), text=head.encode() + body):
        yield


@contextmanager
def _elsewhere(*arguments: str, text: bytes = b"") -> Iterator[None]:
    """Run this module in a process of its own, from its first line of output on, while the block lasts."""
    command = [sys.executable, "-m", "tests.strangers", *arguments]
    process = processes.start(command, cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin:
            process.stdin.write(text)
        assert process.stdout.readline() == b"they are there\n"
        yield
    finally:
        processes.stop(process)
        process.stdout.close()


async def _stay(port: int, head: bytes, *, is_answered: bool, there: asyncio.Semaphore) -> None:
    """Be one of the crowd for ever."""
    is_counted = False
    while True:
        writer = None
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            if is_answered:
                await reader.readuntil(b"ok")
            if not is_counted:
                there.release()
                is_counted = True
            await reader.read()
        if writer is not None:
            writer.close()
        else:
            await asyncio.sleep(0.1)


async def _gather(port: int, idle: int, half_open: int) -> None:
    there = asyncio.Semaphore(0)
    stays = []
    for number in range(idle + half_open):
        is_idle = number < idle
        stay = _stay(port, IDLE if is_idle else HALF_OPEN, is_answered=is_idle, there=there)
        stays.append(asyncio.ensure_future(stay))
        if number % 100 == 0:
            await asyncio.sleep(0.05)
    for _ in stays:
        await there.acquire()
    _tell_that_they_are_there()
    await asyncio.gather(*stays)


async def _flood(port: int, per_s: float, request: bytes) -> None:
    sending: set[asyncio.Task[None]] = set()
    _tell_that_they_are_there()
    while True:
        task = asyncio.ensure_future(_send(port, request))
        sending.add(task)
        task.add_done_callback(sending.discard)
        await asyncio.sleep(1 / per_s)


async def _send(port: int, request: bytes) -> None:
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            await reader.read(4096)
        finally:
            writer.close()


def _tell_that_they_are_there() -> None:
    print("they are there", flush=True)  # noqa: T201  # whoever started them waits for this line


if __name__ == "__main__":
    processes.raise_file_limit()
    kind, to_port, *more = sys.argv[1:]
    if kind == "crowd":
        asyncio.run(_gather(int(to_port), *map(int, more)))
    else:
        asyncio.run(_flood(int(to_port), float(more[0]), sys.stdin.buffer.read()))
