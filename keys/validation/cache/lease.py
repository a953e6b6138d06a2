"""Hold this process's lease: its row in the register, its subscription, and the proof that it hears in time.

Every 0.2 s the process renews its row, *then* pings over its subscription. Redis sends the pong after every
invalidation that was published before the ping. Once the pong is read, the lease runs for 0.8 s from the moment before
the renewal was sent. A writer waits for every process with a live row, and a row lives 1.2 s from its renewal. So a
process that stalls, or that Redis cannot reach, stops using its copies before a writer stops waiting for it.

A process without a lease (at its start, or after an outage) first catches up: it reads the outbox and announces what
writers could not. Only a renewal sent after that counts, and the lease runs from before the outbox was read. So no copy
that a writer wanted deleted comes back into use. If the outbox cannot be read, there is no lease.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from keys.validation.cache.local import LocalCache
from keys.validation.store.clock import boottime
from keys.validation.store.redis_link import (
    CHANNEL,
    REGISTER,
    Link,
    RedisDown,
    acknowledgements_key,
    new_connection,
    script,
)

USE_S = 0.8
ROW_MS = 1_200
PING_EVERY_S = 0.2
SILENT_AFTER_S = 1.0  # a working subscription brings a pong every 0.2 s
RENEW_WITHIN_S = 0.25
HEARD_LIVES_MS = 5_000
RETRY_AFTER_S = 0.2

log = logging.getLogger(__name__)


class Message(msgspec.Struct, frozen=True, array_like=True):
    """The names that changed, and the id to acknowledge.

    A message without an id is a *hint*: Redis refused to delete the shared copies. It is not acknowledged.
    """

    id: str | None
    names: list[str]


_decoder = msgspec.msgpack.Decoder(Message)


class Ping(NamedTuple):
    """A ping that was sent, and its epoch. The lease that its pong grants counts from ``began_at``."""

    epoch: int | None
    began_at: float
    has_caught_up: bool


class Moved(Exception):
    """The Redis address now leads to another server, or another run of it, than the subscription does."""


class Lease:
    """Keeps ``LocalCache`` usable while this process hears every invalidation in time; runs until it is cancelled."""

    def __init__(self, local: LocalCache, link: Link, *, catch_up: Callable[[], Awaitable[bool]]) -> None:
        """``catch_up`` announces all changes committed before its call, and returns True if that was done."""
        self.process_id = os.urandom(8).hex()
        self._local = local
        self._link = link
        self._catch_up = catch_up
        self._pings: dict[bytes, Ping] = {}
        self._acknowledging: set[asyncio.Task[None]] = set()

    async def hold(self) -> None:
        """Subscribe, renew, listen; start over after any failure."""
        is_down = False
        while True:
            try:
                await self._hold_over_one_connection()
            except Exception as exc:  # noqa: BLE001  # any failure: without this task, no copy is ever used again
                if not is_down or self._local.lease_until:  # log once per outage, not once per attempt
                    log.warning("lease.lost", extra={"error": type(exc).__name__})
                is_down = True
            finally:
                self._local.end_epoch()
            await asyncio.sleep(RETRY_AFTER_S)

    async def _hold_over_one_connection(self) -> None:
        connection = new_connection()
        self._pings.clear()
        try:
            async with asyncio.timeout(SILENT_AFTER_S):
                await connection.connect()
            await connection.send_command("SUBSCRIBE", CHANNEL)
            renewing = asyncio.create_task(self._renew(connection))
            try:
                await self._listen(connection, renewing)
            finally:
                renewing.cancel()
                await asyncio.wait([renewing])
                with contextlib.suppress(asyncio.CancelledError):
                    renewing.exception()  # the exception was reported by the task that noticed first
        finally:
            await connection.disconnect(nowait=True)

    async def _listen(self, connection: Any, renewing: "asyncio.Task[None]") -> None:
        while not renewing.done():
            async with asyncio.timeout(SILENT_AFTER_S):
                kind, *rest = await connection.read_response(disable_decoding=True)
            if kind == b"message":
                self._hear(rest[1])
            elif kind == b"pong":
                self._hear_pong(rest[0])
            elif kind == b"subscribe":
                self._local.begin_epoch()
        renewing.result()

    async def _renew(self, connection: Any) -> None:
        number = 0
        while True:
            # Read the clock first: the lease counts from before the outbox was read and the row was renewed.
            began_at = boottime()
            has_lease = self._local.has_lease(began_at)
            may_count = has_lease or await self._catch_up()
            try:
                run, _ = await self._link.run_script(
                    script("renew"), [REGISTER], self.process_id, ROW_MS, within_s=RENEW_WITHIN_S, with_run=True
                )
            except RedisDown:  # unreachable, or refusing writes: the lease runs out by itself
                may_count = False
            else:
                if run != connection.run:  # the row is in one server, the subscription in another
                    await self._link.close()
                    raise Moved
            number += 1
            payload = b"%d" % number
            if may_count:
                self._pings[payload] = Ping(self._local.epoch, began_at, has_caught_up=not has_lease)
            await connection.send_command("PING", payload)
            await asyncio.sleep(PING_EVERY_S)

    def _hear_pong(self, payload: bytes) -> None:
        ping = self._pings.pop(payload, None)
        # Do not extend a lease that lapsed meanwhile: invalidations missed in between are in the outbox.
        if ping is not None and (ping.has_caught_up or self._local.has_lease(boottime())):
            self._local.extend_lease(ping.epoch, ping.began_at + USE_S)

    def _hear(self, payload: bytes) -> None:
        try:
            message = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):  # another release's format: names unknown
            self._local.forget()
            return
        if message.id is None:
            self._local.doubt(message.names, boottime())
            return
        self._local.invalidate(message.names)
        task = asyncio.create_task(self._acknowledge(message.id))
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)

    async def _acknowledge(self, message_id: str) -> None:
        # A writer that gets no acknowledgement waits until this process's row is over.
        with contextlib.suppress(RedisDown):
            await self._link.run_script(
                script("acknowledge"),
                [acknowledgements_key(message_id)],
                self.process_id,
                HEARD_LIVES_MS,
                within_s=RENEW_WITHIN_S,
            )
