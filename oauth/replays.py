"""Replay protection: accept each client assertion once. The memory is in Redis, or in the process if there is no Redis.

It fails closed. While Redis does not answer, no assertion is accepted. If the memory was lost (a restart, a failover,
an eviction), a new one starts. An assertion is refused if it was issued before that start, or may have been, given the
allowed clock difference; the client then has to make another assertion. Each serving process starts the memory as soon
as Redis answers, so that this period of a few seconds is usually over before the first assertion.
"""

import asyncio
import contextlib
import time
from hashlib import sha256
from typing import Protocol

from keys.validation.store.database import Unavailable
from keys.validation.store.redis_link import PREFIX, Link, RedisDown, script
from oauth.protocol.assertions import AHEAD_S, Assertion

USED = f"{PREFIX}assertions"
ANSWERS_WITHIN_S = 0.25
TENDED_EVERY_S = 1.0


class Replays(Protocol):
    """A memory of used assertions."""

    async def claim(self, client_id: str, assertion: Assertion) -> bool:
        """Claim the assertion's ``jti``. True on first use; raises Unavailable if the memory cannot tell."""

    async def tend(self) -> None:
        """Keep a memory begun while this process serves."""


class SharedReplays:
    """The memory in Redis, shared by all processes."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def claim(self, client_id: str, assertion: Assertion) -> bool:
        """Claim the ``jti`` in Redis. True if no process has claimed it before; raises Unavailable."""
        name = _name(client_id, assertion.jti)
        try:
            answer = await self._run(name, assertion.expires_at, assertion.issued_at)
        except RedisDown:
            raise Unavailable("replays") from None
        if answer < 0:
            raise Unavailable("replays")
        return bool(answer)

    async def tend(self) -> None:
        """Start the memory again whenever Redis has lost it."""
        while True:
            with contextlib.suppress(RedisDown):
                await self._run(b"", 0, 0)
            await asyncio.sleep(TENDED_EVERY_S)

    async def _run(self, name: bytes, expires_at: float, issued_at: float) -> int:
        _, answer = await self._link.run_script(
            script("use_once", "oauth"),
            [USED],
            name,
            expires_at,
            issued_at,
            AHEAD_S,
            within_s=ANSWERS_WITHIN_S,
            with_run=True,
        )
        return int(answer)


class OwnReplays:
    """The memory in the process, for a portal with a single process."""

    def __init__(self, *, born_at: float) -> None:
        self._born_at = born_at
        self._until: dict[bytes, float] = {}

    async def claim(self, client_id: str, assertion: Assertion) -> bool:
        """Claim the ``jti``. True if this process has not claimed it before; raises Unavailable."""
        if assertion.issued_at <= self._born_at + AHEAD_S:
            raise Unavailable("replays")
        now = time.time()
        self._until = {name: until for name, until in self._until.items() if now < until}
        name = _name(client_id, assertion.jti)
        is_first = name not in self._until
        self._until[name] = assertion.expires_at
        return is_first

    async def tend(self) -> None:
        """Do nothing: this memory began with the process."""


def replays(link: Link | None) -> Replays:
    """The memory of a process: in Redis if there is one."""
    return OwnReplays(born_at=time.time()) if link is None else SharedReplays(link)


def _name(client_id: str, jti: str) -> bytes:
    return sha256(f"{client_id} {jti}".encode()).digest()
