"""Attack a portal from a separate process, and measure the latency of another tenant's validations meanwhile."""

import asyncio
import http.client
import json
import math
import os
import socket
import subprocess
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from portal.env import BASE_DIR
from portal.operations import processes

if TYPE_CHECKING:
    from tests.support.live import Live

QUIET_S = 4.0
ATTACKED_S = 5.0
EVERY_S = 0.01
GIVE_UP_S = 10.0
LASTS_AT_MOST_S = 40.0
READY = b"they are there\n"
END_OF_HEAD = b"\r\n\r\n"


class Manner(StrEnum):
    """The behaviour of an attacker on one connection."""

    ASK = "ask"  # read the response, pause, send the next request
    IDLE = "idle"  # read one response, then send nothing more
    HALF_OPEN = "half open"  # send a part of a request's head, then nothing more
    SLOW_BODY = "slow body"  # send most of the body at once, then one byte after each pause
    UNREAD = "unread"  # read the response's status and nothing else


@dataclass(frozen=True)
class Wave:
    """A number of connections with the same behaviour; each sends the requests in turn, from a different start."""

    connections: int
    requests: Sequence[bytes] = field(repr=False)
    manner: Manner = Manner.ASK
    pause_s: float = 0.0


def idle(connections: int) -> Wave:
    """Connections that stay idle after one response."""
    return Wave(connections, [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"], Manner.IDLE)


def half_open(connections: int) -> Wave:
    """Connections that never complete the head of their request."""
    return Wave(connections, [b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nAuthor"], Manner.HALF_OPEN)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request; ``content_type`` stands for the header ``content-type``."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def validation(api_secret: str, body: bytes) -> bytes:
    """The bytes of a validation with this body."""
    return request("POST", "/v1/validate", body, authorization=f"Bearer {api_secret}", content_type="application/json")


@dataclass(frozen=True)
class Latencies:
    """The latencies of calls in milliseconds, and the number of responses by status."""

    sorted_ms: list[float]
    statuses: Counter[int]

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the calls did not exceed."""
        return self.sorted_ms[min(math.floor(share * len(self.sorted_ms)), len(self.sorted_ms) - 1)]

    def __str__(self) -> str:
        return f"p50 {self.percentile(0.5):.1f} ms, p99 {self.percentile(0.99):.1f} ms"


@dataclass(frozen=True)
class Besieged:
    """A portal in production mode under attack. The attackers are strangers or Acme; the bystander is Initech."""

    portal: "Live"
    demo: dict[str, Any] = field(repr=False)

    @property
    def port(self) -> int:
        """The portal's port."""
        return urlsplit(self.portal.url).port or 0

    def validate(self, *, within_s: float = GIVE_UP_S) -> int:
        """The status of one validation by the bystander, on a new connection; raises after ``within_s``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        bystander = self.demo["other"]
        headers = {"Authorization": f"Bearer {bystander['api']['secret']}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/validate", json.dumps({"credential": bystander["api_key"]}), headers)
            with connection.getresponse() as response:
                response.read()
                return response.status
        finally:
            connection.close()

    def validations(self, for_s: float) -> Latencies:
        """Validate as the bystander in sequence, each time on a new connection, like a backend without a pool."""
        took, statuses, until = [], Counter[int](), time.monotonic() + for_s
        while time.monotonic() < until:
            began = time.perf_counter()
            statuses[self.validate()] += 1
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(EVERY_S)
        return Latencies(sorted(took), statuses)

    def withstand(
        self, name: str, *waves: Wave, tell: Callable[[str], None], grows_at_most_mib: int | None = None
    ) -> Counter[int]:
        """Compare the bystander's latencies under attack with the latencies before it; fails if they are too high.

        Reports both in one line. Only attackers may get a 5xx, and only 503. Returns their responses by status.
        """
        quiet = self.validations(QUIET_S)
        before = self.portal.resident_mib(resets_peak=True)
        with attack(self.port, *waves) as statuses:
            attacked = self.validations(ATTACKED_S)
        grown = max(peak - before[pid] for pid, peak in self.portal.peak_mib().items())
        memory = "" if grows_at_most_mib is None else f"; a process grew by {grown:.0f} of {grows_at_most_mib} MiB"
        tell(f"strangers: {name}: others {attacked}; quiet {quiet}; attackers {dict(statuses)}{memory}")
        assert set(quiet.statuses) == set(attacked.statuses) == {200}
        assert not [status for status in statuses if status >= 500 and status != 503]
        assert attacked.percentile(0.99) <= 10 * quiet.percentile(0.99) + 50
        if grows_at_most_mib is not None:
            assert grown <= grows_at_most_mib
        return statuses


@contextmanager
def attack(port: int, *waves: Wave) -> Iterator[Counter[int]]:
    """Attack the port from a separate process in this context, which starts once every connection is open.

    After the context, the Counter holds the number of responses by status.
    """
    statuses = Counter[int]()
    command = [sys.executable, "-m", "tests.support.strangers", str(port)]
    process = processes.start(command, cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin:
            process.stdin.write(msgspec.json.encode(waves) + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == READY
            yield statuses
        statuses.update(msgspec.json.decode(process.stdout.read(), type=dict[int, int]))
    finally:
        processes.stop(process)
        process.stdout.close()


async def _attack(port: int, waves: Sequence[Wave]) -> None:
    """Attack until standard input ends, or for LASTS_AT_MOST_S."""
    statuses, there, end = Counter[int](), asyncio.Semaphore(0), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, end.set)
    attackers = []
    with suppress(TimeoutError):
        async with asyncio.timeout(LASTS_AT_MOST_S):
            for wave in waves:
                for number in range(wave.connections):
                    attackers.append(asyncio.ensure_future(_repeat(port, wave, number, statuses, there)))
                    if number % 100 == 99:
                        await asyncio.sleep(0.05)
            for _ in attackers:
                await there.acquire()
            sys.stdout.buffer.write(READY)
            sys.stdout.buffer.flush()
            await end.wait()
    for attacker in attackers:
        attacker.cancel()
    sys.stdout.buffer.write(msgspec.json.encode(statuses))


async def _repeat(port: int, wave: Wave, number: int, statuses: Counter[int], there: asyncio.Semaphore) -> None:
    """Run one attacker of the wave for ever; open a new connection whenever one has ended."""
    requests = cycle([*wave.requests[number % len(wave.requests) :], *wave.requests[: number % len(wave.requests)]])
    is_there = False
    while True:
        with suppress(OSError, EOFError):
            async for status in _converse(port, next(requests), requests, wave):
                if status is not None:
                    statuses[status] += 1
                if not is_there:
                    is_there = True
                    there.release()
        await asyncio.sleep(max(wave.pause_s, 0.05))


async def _converse(port: int, first: bytes, others: Iterator[bytes], wave: Wave) -> AsyncIterator[int | None]:
    """Run the wave's behaviour on one connection until the server closes it.

    Yields the status of each response, or None. The first yield means that the attacker is connected.
    """
    reader, writer = await _connect(port, reads_little=wave.manner is Manner.UNREAD)
    try:
        match wave.manner:
            case Manner.ASK:
                for request in chain([first], others):
                    writer.write(request)
                    yield None
                    head = await reader.readuntil(END_OF_HEAD)
                    yield _status_of(head)
                    await _read_body(reader, head)
                    await asyncio.sleep(wave.pause_s)
            case Manner.IDLE:
                writer.write(first)
                head = await reader.readuntil(END_OF_HEAD)
                yield _status_of(head)
                await _read_body(reader, head)
                await reader.read()
            case Manner.HALF_OPEN:
                writer.write(first)
                yield None
                await reader.read()
            case Manner.SLOW_BODY:
                writer.write(first[:-100])
                yield None
                trickle = asyncio.ensure_future(_trickle(writer, first[-100:], wave.pause_s))
                try:
                    yield _status_of(await reader.readuntil(END_OF_HEAD))
                finally:
                    trickle.cancel()
            case Manner.UNREAD:
                writer.write(first)
                yield _status_of(await reader.readexactly(12))
                await asyncio.Event().wait()
    finally:
        writer.close()


async def _connect(port: int, *, reads_little: bool) -> tuple[StreamReader, StreamWriter]:
    connection = socket.socket()
    if reads_little:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    except BaseException:
        connection.close()
        raise
    return await asyncio.open_connection(sock=connection, limit=1 if reads_little else 2**16)


async def _read_body(reader: StreamReader, head: bytes) -> None:
    """Read the rest of a response; a response without a length ends with the connection."""
    _, is_sized, rest = head.lower().partition(b"content-length: ")
    if is_sized:
        await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    else:
        while await reader.read(2**16):
            pass


def _status_of(head: bytes) -> int:
    return int(head[9:12])


async def _trickle(writer: StreamWriter, rest: bytes, pause_s: float) -> None:
    for byte in rest:
        await asyncio.sleep(pause_s)
        writer.write(bytes([byte]))


if __name__ == "__main__":
    processes.raise_file_limit()
    os.nice(5)  # real attackers do not take processor time from the portal's machine
    asyncio.run(_attack(int(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.readline(), type=list[Wave])))
