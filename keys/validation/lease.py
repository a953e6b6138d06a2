"""Hold this process's lease: its row in the register, its subscription, and the proof that it hears in time.

Every 0.2 s the process renews its row, *then* pings over its subscription. The pong comes back behind every
invalidation published before the ping; once it is read, the lease runs 0.8 s from the moment before the renewal was
sent. A writer waits for every process with a live row, and a row lives 1.2 s from its renewal: a process that stalls,
or that Redis cannot reach, stops using its copies before a writer stops waiting for it.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from keys.validation.clock import boottime
from keys.validation.local import Local
from keys.validation.redis_link import (
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
SILENT_AFTER_S = 1.0  # a subscription over which not even pongs come
RENEW_WITHIN_S = 0.25
HEARD_LIVES_MS = 5_000
RETRY_AFTER_S = 0.2

log = logging.getLogger(__name__)


class Message(msgspec.Struct, frozen=True, array_like=True):
    """What a writer publishes: an id to acknowledge, and the names that changed."""

    id: str
    names: list[str]


_decoder = msgspec.msgpack.Decoder(Message)


class Moved(Exception):
    """The address leads to another server, or another life of it, than the subscription does."""


class Lease:
    """Keeps ``Local`` usable while this process hears every invalidation in time; runs until it is cancelled."""

    def __init__(self, local: Local, link: Link, *, before_trust: Callable[[], Awaitable[None]] | None = None) -> None:
        self.process_id = os.urandom(8).hex()
        self._local = local
        self._link = link
        self._before_trust = before_trust
        # On their way: the epoch, and when the renewal was sent.
        self._pings: dict[bytes, tuple[int | None, float]] = {}
        self._acknowledging: set[asyncio.Task[None]] = set()

    async def hold(self) -> None:
        """Subscribe, renew, listen; begin again whenever any of it breaks."""
        is_down = False
        while True:
            try:
                if is_down and self._before_trust is not None:
                    await self._before_trust()
                await self._hold_over_one_connection()
            except Exception as exc:  # noqa: BLE001  # whatever it is: without this task, no copy is ever used again
                if not is_down or self._local.lease_until:  # once an outage, not once an attempt
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
                    renewing.exception()  # told by whoever noticed first
        finally:
            await connection.disconnect(nowait=True)

    async def _listen(self, connection: Any, renewing: "asyncio.Task[None]") -> None:
        while not renewing.done():
            async with asyncio.timeout(SILENT_AFTER_S):
                kind, *rest = await connection.read_response(disable_decoding=True)
            if kind == b"message":
                self._hear(rest[1])
            elif kind == b"pong":
                epoch, sent_at = self._pings.pop(rest[0], (None, 0.0))
                self._local.extend_lease(epoch, sent_at + USE_S)
            elif kind == b"subscribe":
                self._local.begin_epoch()
        renewing.result()

    async def _renew(self, connection: Any) -> None:
        number = 0
        while True:
            sent_at = boottime()
            with contextlib.suppress(RedisDown):  # then the lease runs out by itself
                run, _ = await self._link.run_script(
                    script("renew"), [REGISTER], self.process_id, ROW_MS, within_s=RENEW_WITHIN_S, with_run=True
                )
                if run != connection.run:  # the row stands in one server, and this one hears another's invalidations
                    await self._link.close()
                    raise Moved
                number += 1
                payload = b"%d" % number
                self._pings[payload] = (self._local.epoch, sent_at)
                await connection.send_command("PING", payload)
            await asyncio.sleep(PING_EVERY_S)

    def _hear(self, payload: bytes) -> None:
        try:
            message = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):  # of a release with another form: what it meant is not known
            self._local.forget()
            return
        self._local.invalidate(message.names)
        task = asyncio.create_task(self._acknowledge(message.id))
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)

    async def _acknowledge(self, message_id: str) -> None:
        # A writer that does not hear of it waits until this process's row is over.
        with contextlib.suppress(RedisDown):
            await self._link.run_script(
                script("acknowledge"),
                [acknowledgements_key(message_id)],
                self.process_id,
                HEARD_LIVES_MS,
                within_s=RENEW_WITHIN_S,
            )
