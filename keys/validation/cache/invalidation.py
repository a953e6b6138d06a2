"""Invalidate the cached copies of changed snapshots in all processes, before the change returns.

This is the writer's half of the protocol in ``snapshots``. It is synchronous: services run on the threads of pages, in
commands and in the worker. Each call opens its own connection, because its result depends on the run of the Redis
server that this connection leads to.
"""

import logging
import os
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
import redis
from django.conf import settings
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from keys.validation.cache.lease import ROW_MS, Message
from keys.validation.store.redis_link import CHANNEL, REGISTER, acknowledgements_key, copy_keys, script
from portal.outbox import Pending

NAMES_A_SCRIPT = 500
REACH_WITHIN_S = 0.25
RETRY_AFTER_S = 0.1
WAIT_S = ROW_MS / 1000
TRY_S = 2.4  # a lease granted during an outage, 0.4 s until the outbox is read, a lease from before; and slack
LISTEN_S = 0.1
CLOCK_SLACK_S = 3.2

log = logging.getLogger(__name__)
Announced = list[tuple[str, set[bytes] | None]]  # per message: id, processes yet to acknowledge


class CopiesNotReached(Exception):
    """Redis, which holds the shared copies, does not answer."""


def flush(names: Iterable[str]) -> int | Pending | None:
    """Invalidate the names in all processes, and wait until all have dropped their copies.

    Returns the number of processes that acknowledged, or None if Redis could not list them (then all leases were waited
    out). Returns ``Pending`` with the time by which no old copy can be left, if Redis could not be told.

    An unreachable Redis is retried for 2.4 s. By then every lease that it does not renew has run out; and if other
    processes reach it, they have announced the names from the outbox. So once this has returned, no process goes back
    to the state before the change.
    """
    wanted, give_up_at, is_refused = sorted(names), time.monotonic() + TRY_S, False
    while True:
        try:
            return _tell(wanted)
        except Exception as exc:  # noqa: BLE001  # the change is committed: any failure is reported as pending
            if isinstance(exc, ResponseError) and not is_refused:
                is_refused = True
                _hint(wanted)
            left = give_up_at - time.monotonic()
            if left <= 0:
                log.warning("invalidation.pending", extra={"names": len(wanted), "error": type(exc).__name__})
                by = timezone.now() + timedelta(seconds=settings.SNAPSHOT_STALE_IF_ERROR + CLOCK_SLACK_S)
                return Pending(by, is_refused)
            time.sleep(min(RETRY_AFTER_S, left))


def announce(names: Iterable[str]) -> bool:
    """Delete the shared copies and publish the names, without waiting for processes; False if that failed."""
    try:
        with _client() as client:
            _announce(client, sorted(names))
    except Exception as exc:  # noqa: BLE001  # any failure means that it was not done
        log.warning("invalidation.not_announced", extra={"error": type(exc).__name__})
        return False
    return True


def forget_all_copies() -> int:
    """Delete all shared copies. Returns how many processes hold a lease, and so may have copies of their own.

    Raises CopiesNotReached. Without Redis there are no copies at all, and the result is 0.
    """
    if not settings.REDIS_URL:
        return 0
    try:
        with _client() as client:
            for pattern in copy_keys(["*"]):
                keys = list(client.scan_iter(pattern, count=NAMES_A_SCRIPT))
                for first in range(0, len(keys), NAMES_A_SCRIPT):
                    client.unlink(*keys[first : first + NAMES_A_SCRIPT])
            seconds, microseconds = client.time()
            rows = client.hgetall(REGISTER)
    except RedisError as exc:
        raise CopiesNotReached from exc
    now_ms = seconds * 1000 + microseconds // 1000
    return sum(row not in {b"run", b"born"} and float(until) > now_ms for row, until in rows.items())


def _tell(names: Sequence[str]) -> int | None:
    """Return how many processes acknowledged every message; None if Redis could not list the processes."""
    with _client() as client:
        announced = _announce(client, names)
        until = time.monotonic() + WAIT_S  # from the return of the last script: no older lease lasts longer
        heard = [_wait(client, message_id, live, until) for message_id, live in announced]
    counted = [each for each in heard if each is not None]
    return min(counted, default=0) if len(counted) == len(heard) else None


def _announce(client: redis.Redis, names: Sequence[str]) -> Announced:
    run = _run(client)
    announced: Announced = []
    for first in range(0, len(names), NAMES_A_SCRIPT):
        message_id = os.urandom(8).hex()
        live = _invalidate(client, message_id, list(names[first : first + NAMES_A_SCRIPT]), run)
        announced.append((message_id, live))
    return announced


def _hint(names: Sequence[str]) -> None:
    """Publish the names when Redis refuses to delete their copies: a read-only server usually accepts messages."""
    try:
        with _client() as client:
            for first in range(0, len(names), NAMES_A_SCRIPT):
                hint = Message(None, list(names[first : first + NAMES_A_SCRIPT]))
                client.publish(CHANNEL, msgspec.msgpack.encode(hint))
    except (RedisError, OSError) as exc:  # the leases run out by themselves
        log.warning("invalidation.no_hint", extra={"error": type(exc).__name__})


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        single_connection_client=True,
        socket_timeout=REACH_WITHIN_S,
        socket_connect_timeout=REACH_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _run(client: redis.Redis) -> bytes:
    fields = client.info("server") | client.info("replication")
    return f"{fields['run_id']}{fields['master_replid']}".encode()


def _invalidate(client: redis.Redis, message_id: str, names: list[str], run: bytes) -> set[bytes] | None:
    """Run the script; returns the ids of the processes to wait for, or None if Redis cannot list them all."""
    invalidate = script("invalidate")
    live = client.eval(
        invalidate.text.decode(),
        1 + 2 * len(names),
        REGISTER,
        *copy_keys(names),
        CHANNEL,
        msgspec.msgpack.encode(Message(message_id, names)),
        run,
        ROW_MS,
    )
    return None if live is None else set(live)


def _wait(client: redis.Redis, message_id: str, live: set[bytes] | None, until: float) -> int | None:
    """Wait until every process has acknowledged, or until no lease from before can last; returns how many have."""
    expected = len(live) if live is not None else 0
    try:
        while live is None or live:
            left = until - time.monotonic()
            if left <= 0:
                break
            if live is None:
                time.sleep(left)
                return None
            heard = client.blpop([acknowledgements_key(message_id)], timeout=min(left, LISTEN_S))
            if heard is not None:
                live.discard(heard[1])
    except (RedisError, OSError):  # the script has run, so waiting out the leases is as good
        time.sleep(max(until - time.monotonic(), 0))
    return None if live is None else expected - len(live)
