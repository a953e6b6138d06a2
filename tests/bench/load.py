"""Ask a server over kept connections, as fast as it answers; raw sockets, so that little of the machine goes here."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle


@dataclass
class Load:
    """What came of it: seconds per request, in order, and the wall time of all."""

    took_s: list[float]
    wall_s: float
    bodies: list[bytes]  # none where they are not kept

    def percentile(self, share: float) -> float:
        """The latency that this share of requests stayed under, in seconds."""
        return sorted(self.took_s)[min(int(len(self.took_s) * share), len(self.took_s) - 1)]


async def run(port: int, requests: list[bytes], *, connections: int, total: int, keeps_bodies: bool = False) -> Load:
    """Send ``total`` requests, cycling through those given; every answer must be a 200."""
    took_s: list[float] = []
    bodies: list[bytes] | None = [] if keeps_bodies else None
    todo = iter(range(total))
    feed = cycle(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, todo, feed, took_s, bodies) for _ in range(connections)))
    return Load(took_s, time.perf_counter() - started, bodies or [])


async def _connection(
    port: int, todo: Iterator[int], feed: Iterator[bytes], took_s: list[float], bodies: list[bytes] | None
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in todo:
            started = time.perf_counter()
            writer.write(next(feed))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            took_s.append(time.perf_counter() - started)
            if bodies is not None:
                bodies.append(body)
            if not head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(f"{head[:40]!r} {body[:200]!r}")
    finally:
        writer.close()


def get(path: str, *, authorization: str) -> bytes:
    """The bytes of a request without a body."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n\r\n".encode()


def post(path: str, body: bytes, *, bearer: str) -> bytes:
    """The bytes of a request with a JSON body."""
    return _request(path, body, "application/json", f"Bearer {bearer}")


def form(path: str, body: bytes, *, authorization: str) -> bytes:
    """The bytes of a request with a form."""
    return _request(path, body, "application/x-www-form-urlencoded", authorization)


def _request(path: str, body: bytes, content_type: str, authorization: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
