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

    def percentile(self, share: float) -> float:
        """The latency that this share of requests stayed under, in seconds."""
        return sorted(self.took_s)[min(int(len(self.took_s) * share), len(self.took_s) - 1)]


async def run(port: int, requests: list[bytes], *, connections: int, total: int) -> Load:
    """Send ``total`` requests, cycling through those given; every answer must be a 200."""
    took_s: list[float] = []
    todo = iter(range(total))
    feed = cycle(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, todo, feed, took_s) for _ in range(connections)))
    return Load(took_s, time.perf_counter() - started)


async def _connection(port: int, todo: Iterator[int], feed: Iterator[bytes], took_s: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in todo:
            started = time.perf_counter()
            writer.write(next(feed))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            took_s.append(time.perf_counter() - started)
            if not head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(f"{head[:40]!r} {body[:200]!r}")
    finally:
        writer.close()


def post(path: str, body: bytes, *, bearer: str) -> bytes:
    """The bytes of a request."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {bearer}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
