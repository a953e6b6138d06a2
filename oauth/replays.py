"""Which client assertions were used already, so that each counts once: in Redis for all processes, else in this one.

It fails closed. Where Redis cannot be asked, nobody can tell. A memory that was lost (a restart, a failover, an
eviction) begins anew, and what was issued before that, or by a clock that is ahead might have been, is turned away for
those few seconds: the client makes another assertion. Each process that serves has the memory begin as soon as there
is a Redis, so that these seconds are over when the first assertion comes.
"""

import asyncio
import contextlib
import time
from hashlib import sha256
from typing import Protocol

from keys.validation.store.database import Unavailable
from keys.validation.store.redis_link import PREFIX, Link, RedisDown, script
from keys.validation.wiring import link
from oauth.protocol.assertions import AHEAD_S, Assertion

USED = f"{PREFIX}assertions"
ANSWERS_WITHIN_S = 0.25
TENDED_EVERY_S = 1.0


class Replays(Protocol):
    """The memory of one process, or of all."""

    async def is_first_use(self, client_id: str, assertion: Assertion) -> bool:
        """Whether nobody has used it before; from now on somebody has. Raises Unavailable."""


class SharedReplays:
    """The memory in Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def is_first_use(self, client_id: str, assertion: Assertion) -> bool:
        """Whether no process has seen it."""
        name = _name(client_id, assertion.jti)
        try:
            answer = await self._run(name, assertion.expires_at, assertion.issued_at)
        except RedisDown:
            raise Unavailable("replays") from None
        if answer < 0:
            raise Unavailable("replays")
        return bool(answer)

    async def begin(self) -> None:
        """Have the memory begin where there is none; raises RedisDown."""
        await self._run(b"", 0, 0)

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
    """The memory of a process that is the only one."""

    def __init__(self, *, born_at: float) -> None:
        self._born_at = born_at
        self._until: dict[bytes, float] = {}

    async def is_first_use(self, client_id: str, assertion: Assertion) -> bool:
        """Whether this process has not seen it."""
        if assertion.issued_at <= self._born_at + AHEAD_S:
            raise Unavailable("replays")
        now = time.time()
        self._until = {name: until for name, until in self._until.items() if now < until}
        name = _name(client_id, assertion.jti)
        is_first = name not in self._until
        self._until[name] = assertion.expires_at
        return is_first


def replays() -> Replays:
    """The memory that this process uses."""
    shared = link()
    return OwnReplays(born_at=time.time()) if shared is None else SharedReplays(shared)


async def tend() -> None:
    """Begin the memory again whenever Redis has lost it, for as long as this process serves."""
    shared = link()
    while shared is not None:
        with contextlib.suppress(RedisDown):
            await SharedReplays(shared).begin()
        await asyncio.sleep(TENDED_EVERY_S)


def _name(client_id: str, jti: str) -> bytes:
    return sha256(f"{client_id} {jti}".encode()).digest()
