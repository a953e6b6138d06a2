"""Count what right secrets were answered, and when and from where they were last used. Never on a call's own time.

Calls count in memory; a thread writes it down about once a second, in one short transaction. What could not be written
is kept and tried again; where a commit's outcome is unknown the counts are dropped, since too few is a loss and too
many would be a lie. ``kill -9`` loses that second and nothing else.
"""

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction

from keys.models import ApiKey
from keys.validation import metrics
from keys.validation.shapes import Code

FLUSH_EVERY_S = 1.0
STOP_WITHIN_S = 3.0
MAX_ENTRIES = 100_000
MINUTE_S, HOUR_S = 60, 3600
# A refusal for what the call asked still shows that somebody holds the secret and works with it.
IS_USE = frozenset({Code.VALID, Code.INSUFFICIENT_SCOPE, Code.RULE_DENIED, Code.RATE_LIMITED, Code.QUOTA_EXCEEDED})

log = logging.getLogger(__name__)


class Answered(NamedTuple):
    """What one counter counts; ``hour`` in seconds since the epoch."""

    key_id: str
    secret_id: str
    hour: int
    code: Code


class Batch:
    """What was counted since the last flush."""

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        self.counts: dict[Answered, int] = {}
        self.keys: dict[str, float] = {}
        self.secrets: dict[str, tuple[float, str | None]] = {}
        self.callers: dict[tuple[str, str], float] = {}
        self.api_secrets: dict[str, tuple[float, str | None]] = {}

    def __len__(self) -> int:
        return len(self.counts) + len(self.secrets) + len(self.callers) + len(self.api_secrets)

    def add(self, later: "Batch") -> None:
        """Take in a batch that was counted after this one."""
        for counted, count in later.counts.items():
            self.counts[counted] = self.counts.get(counted, 0) + count
        self.keys |= later.keys
        self.secrets |= later.secrets
        self.callers |= later.callers
        self.api_secrets |= later.api_secrets


class UsageRecorder:
    """Counts in memory and writes down from a thread of its own, which starts with the first count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batch = Batch()
        self._being_written = 0
        self._minutes: dict[object, int] = {}  # the minute each last use was last noted in
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def count(self, key_id: str, secret_id: str, code: Code, *, address: str | None, now: float) -> None:
        """One answer to a right secret."""
        with self._lock:
            self._prepare(now)
            answered = Answered(key_id, secret_id, int(now) // HOUR_S * HOUR_S, code)
            counts = self._batch.counts
            if answered in counts:
                counts[answered] += 1
            elif self._has_room():
                counts[answered] = 1
            if code not in IS_USE or not self._is_new_minute((secret_id, address), now):
                return
            if self._has_room():
                self._batch.keys[key_id] = now
                self._batch.secrets[secret_id] = (now, address)
                if address is not None:
                    self._batch.callers[key_id, address] = now

    def count_caller(self, secret_id: str, *, address: str | None, now: float) -> None:
        """One use of an API secret that works."""
        with self._lock:
            if self._is_new_minute((secret_id, address), now):
                self._prepare(now)
                if self._has_room():
                    self._batch.api_secrets[secret_id] = (now, address)

    def stop(self) -> None:
        """Write down what is left, and let the thread end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)

    def flush(self) -> None:
        """Write down what was counted so far; what a database out of reach did not take is kept."""
        with self._lock:
            batch, self._batch = self._batch, Batch()
            self._being_written = len(batch)
            self._forget_old_minutes()
        if not batch:
            return
        metrics.USAGE_LAG_SECONDS.set(max(time.time() - batch.since, 0))
        is_written = False
        try:
            with transaction.atomic(durable=True):
                write(batch)
                is_written = True
        except (InterfaceError, OperationalError) as exc:
            log.warning("usage.not_written", extra={"entries": len(batch), "error": type(exc).__name__})
            if is_written:  # the commit itself failed: it may or may not have happened
                metrics.USAGE_LOST.inc(sum(batch.counts.values()))
            else:
                self._put_back(batch)
        else:
            metrics.USAGE_LAG_SECONDS.set(0)
        finally:
            self._being_written = 0

    def _put_back(self, batch: Batch) -> None:
        with self._lock:
            batch.add(self._batch)
            self._batch = batch

    def _prepare(self, now: float) -> None:
        if not self._batch:
            self._batch.since = now
        if self._thread is None and not self._stopping.is_set():
            self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
            self._thread.start()

    def _has_room(self) -> bool:
        if len(self._batch) + self._being_written < MAX_ENTRIES:
            return True
        metrics.USAGE_LOST.inc()
        return False

    def _is_new_minute(self, what: object, now: float) -> bool:
        minute = int(now) // MINUTE_S
        if self._minutes.get(what) == minute:
            return False
        self._minutes[what] = minute
        return True

    def _forget_old_minutes(self) -> None:
        if len(self._minutes) > MAX_ENTRIES:
            self._minutes.clear()  # at worst a use is noted twice in its minute

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(FLUSH_EVERY_S)
            close_old_connections()
            try:
                self.flush()
            except Exception:  # the thread must outlive whatever one batch holds
                log.exception("usage.batch_dropped")
            finally:
                close_old_connections()


def write(batch: Batch) -> None:
    """Add the batch to the tables, in the open transaction; rows in one order, so that two writers never deadlock."""
    key_ids = {counted.key_id for counted in batch.counts} | set(batch.keys)
    keys = dict(ApiKey.objects.filter(public_id__in=key_ids).values_list("public_id", "pk"))
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE keys_apikey SET last_used_at = %s"
            " WHERE public_id = %s AND (last_used_at IS NULL OR last_used_at < %s)",
            [(_instant(at), key_id, _instant(at)) for key_id, at in sorted(batch.keys.items())],
        )
        for table, uses in (("keys_keysecret", batch.secrets), ("keys_apisecret", batch.api_secrets)):
            cursor.executemany(
                f"UPDATE {table} SET last_used_at = %s, last_used_from = %s"  # noqa: S608  # one of the two above
                " WHERE public_id = %s AND (last_used_at IS NULL OR last_used_at < %s)",
                [(_instant(at), address, secret_id, _instant(at)) for secret_id, (at, address) in sorted(uses.items())],
            )
        cursor.executemany(
            "INSERT INTO keys_usage AS usage (secret_id, key_id, hour, code, count)"
            " VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (secret_id, hour, code) DO UPDATE SET count = usage.count + excluded.count",
            [
                (counted.secret_id, keys.get(counted.key_id), _instant(counted.hour), counted.code.value, count)
                for counted, count in sorted(batch.counts.items())
            ],
        )
        cursor.executemany(
            "INSERT INTO keys_caller AS caller (key_id, address, last_seen_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (key_id, address) DO UPDATE SET last_seen_at = excluded.last_seen_at"
            " WHERE caller.last_seen_at < excluded.last_seen_at",
            [
                (keys[key_id], address, _instant(at))
                for (key_id, address), at in sorted(batch.callers.items())
                if key_id in keys
            ],
        )


def _instant(epoch: float) -> Any:
    """The instant as the database takes it."""
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(epoch, UTC))


USAGE = UsageRecorder()
