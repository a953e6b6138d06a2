"""Tell every process, before a change answers, which snapshots it touched. The writer's half of ``snapshots``.

Synchronous: services run on the threads of pages, in commands and in the worker. Each call has a connection of its own,
since what it does there depends on the run of the server that the connection leads to.
"""

import logging
import os
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
import redis
from django.conf import settings
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from keys.validation.lease import ROW_MS, Message
from keys.validation.redis_link import CHANNEL, REGISTER, acknowledgements_key, copy_keys, script

NAMES_A_SCRIPT = 500
REACH_WITHIN_S = 0.25
WAIT_S = ROW_MS / 1000
LISTEN_S = 0.1
CLOCK_SLACK_S = 3.2

log = logging.getLogger(__name__)


def flush(names: Iterable[str]) -> datetime | None:
    """Have every process forget the names: None once all have, else the time by which no old copy can be left."""
    wanted = sorted(names)
    try:
        _tell(wanted)
    except Exception as exc:  # noqa: BLE001  # the change is committed: whatever failed, it is told as pending
        log.warning("invalidation.pending", extra={"names": len(wanted), "error": type(exc).__name__})
        return timezone.now() + timedelta(seconds=settings.SNAPSHOT_STALE_IF_ERROR + CLOCK_SLACK_S)
    return None


def _tell(names: Sequence[str]) -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        single_connection_client=True,
        socket_timeout=REACH_WITHIN_S,
        socket_connect_timeout=REACH_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    with client:
        run = _run(client)
        waited_for: list[tuple[str, set[bytes] | None]] = []
        for first in range(0, len(names), NAMES_A_SCRIPT):
            message = Message(os.urandom(8).hex(), list(names[first : first + NAMES_A_SCRIPT]))
            live = _invalidate(client, message, run)
            waited_for.append((message.id, live))
        until = time.monotonic() + WAIT_S  # from the return of the last script
        for message_id, live in waited_for:
            _wait(client, message_id, live, until)


def _run(client: redis.Redis) -> bytes:
    fields = client.info("server") | client.info("replication")
    return f"{fields['run_id']}{fields['master_replid']}".encode()


def _invalidate(client: redis.Redis, message: Message, run: bytes) -> set[bytes] | None:
    """Run the script; the ids of the processes to wait for, or None where nobody can say who there is."""
    invalidate = script("invalidate")
    live = client.eval(
        invalidate.text.decode(),
        1 + 2 * len(message.names),
        REGISTER,
        *copy_keys(message.names),
        CHANNEL,
        msgspec.msgpack.encode(message),
        run,
        ROW_MS,
    )
    return None if live is None else set(live)


def _wait(client: redis.Redis, message_id: str, live: set[bytes] | None, until: float) -> None:
    """Until every process has acknowledged, or until no lease that began before can last."""
    try:
        while live is None or live:
            left = until - time.monotonic()
            if left <= 0:
                return
            if live is None:
                time.sleep(left)
                return
            heard = client.blpop([acknowledgements_key(message_id)], timeout=min(left, LISTEN_S))
            if heard is not None:
                live.discard(heard[1])
    except (RedisError, OSError):  # the script has run: waiting it out is as good
        time.sleep(max(until - time.monotonic(), 0))
