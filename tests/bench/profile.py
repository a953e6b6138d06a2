"""Where the time of a warm validation goes, function by function: in one process, with no server around it.

Run by ``make bench`` with a portal's environment; reads from its input what to ask, as ``{"body": …, "bearer": …}``.
"""

import asyncio
import contextlib
import cProfile
import json
import pstats
import sys
from collections.abc import Mapping
from pathlib import Path

import django

CALLS = 20_000
SHOWN = 14


def main() -> None:
    """Print the functions that take the most time themselves, each with its share of all."""
    django.setup()
    profile = cProfile.Profile()
    asyncio.run(_validate(json.load(sys.stdin), profile))
    rows = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]  # (calls, …, own seconds, …) by function
    total_s = sum(row[2] for _, row in rows)
    for (file, _, name), (_, calls, own_s, _, _) in sorted(rows, key=lambda row: -row[1][2])[:SHOWN]:
        where = "" if file == "~" else f" in {Path(file).stem}"
        sys.stdout.write(f"  {own_s / total_s:6.1%}{calls / CALLS:7.1f} x  {name}{where}\n")


async def _validate(question: Mapping[str, str], profile: cProfile.Profile) -> None:
    from keys.validation.http import validate
    from keys.validation.wiring import hold_lease
    from portal.edge.request_body import Message, Scope

    body = question["body"].encode()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "scheme": "http",
        "method": "POST",
        "path": "/v1/validate",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"authorization", f"Bearer {question['bearer']}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ],
    }
    lease = asyncio.create_task(hold_lease())
    await asyncio.sleep(2)  # until it is held
    await validate(scope, receive, send)
    profile.enable()
    for _ in range(CALLS):
        await validate(scope, receive, send)
    profile.disable()
    if any(message.get("status", 200) != 200 for message in sent):
        raise AssertionError("a validation was not answered")
    lease.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await lease


if __name__ == "__main__":
    main()
