"""Ask the same again and again over many connections, in a process of its own; prints the statuses as JSON."""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress


async def repeat(port: int, request: bytes, *, pause_s: float, until: float) -> list[tuple[int, float]]:
    """Ask over one connection; each answer's status, and the seconds that it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = []
    with suppress(OSError, asyncio.IncompleteReadError):
        while time.monotonic() < until:
            began_at = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
            told.append((int(head.split(b" ", 2)[1]), time.monotonic() - began_at))
            await asyncio.sleep(pause_s)
    writer.close()
    return told


async def flood(port: int, request: bytes, *, connections: int, pause_s: float, for_s: float) -> Counter[int]:
    """Ask over all of them; how often each status was answered."""
    until = time.monotonic() + for_s
    told = await asyncio.gather(*(repeat(port, request, pause_s=pause_s, until=until) for _ in range(connections)))
    return Counter(status for answers in told for status, _ in answers)


if __name__ == "__main__":
    port, connections, pause_s, for_s = sys.argv[1:]
    statuses = asyncio.run(
        flood(
            int(port), sys.stdin.buffer.read(), connections=int(connections), pause_s=float(pause_s), for_s=float(for_s)
        )
    )
    sys.stdout.write(json.dumps(statuses))
