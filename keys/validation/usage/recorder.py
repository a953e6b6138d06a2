"""Count in memory the responses given to right secrets, and each secret's last use (time, address, user agent).

Counting is one lookup and two assignments on the event loop, without lock or I/O; only the event loop counts. About
once a second the counts are closed, and a thread passes them on. A batch that could not be passed on is kept and
retried under the same id, so that nothing counts twice. ``kill -9`` loses the last second and nothing else.
"""

import asyncio
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection

from keys.rules.field_rules import MAX_AGENT_CHARS
from keys.validation import metrics
from keys.validation.store.threads import have_own_connection
from keys.validation.types import Code
from keys.validation.usage.batches import Batch, Count, Use
from keys.validation.usage.queue import flush_batch
from portal.operations.outages import is_outage
from portal.redaction import redact

FLUSH_EVERY_S = 1.0
FINISHES_WITHIN_S = 3.0
MAX_USAGE_COUNTS = 100_000
MINUTE_S, HOUR_S = 60, 3600
# A refusal for what the call asked still shows that the holder of the secret works with it.
COUNTS_AS_USE = frozenset(
    {Code.VALID, Code.INSUFFICIENT_SCOPE, Code.RULE_DENIED, Code.RATE_LIMITED, Code.QUOTA_EXCEEDED}
)
_NOT_PRINTABLE = re.compile(rb"[^\x20-\x7e]+")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class UsageCount:
    """Equal calls: their number, and the time and user agent of the last."""

    count: int = 0
    last_at: float = 0.0
    agent: bytes | None = None


@dataclass(slots=True)
class UsageCounts:
    """The counts since the last flush, within one hour."""

    hour: int = 0
    answers: dict[tuple[str, str, Code, str | None], UsageCount] = field(default_factory=dict)
    others: dict[tuple[str, str], tuple[float, str | None, bytes | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.answers) + len(self.others)


class UsageRecorder:
    """Counts usage for one process. Call all methods on one thread, the event loop's."""

    def __init__(self, flush_batch: Callable[[Batch], None]) -> None:
        self._flush_batch = flush_batch
        self._open = UsageCounts()
        self._hour_ends = 0.0
        self._closed: deque[UsageCounts] = deque()  # filled on the event loop, emptied by the thread
        self._batch: Batch | None = None  # the batch of the first closed counts, once the thread has begun with it
        self._noted: set[tuple[str, str | None, str]] = set()  # the uses written in this minute; for the thread only
        self._noted_minute = 0
        self._thread: threading.Thread | None = None

    def count(
        self,
        credential_id: str,
        secret_id: str,
        code: Code,
        *,
        address: str | None,
        agent: bytes | None = None,
        now: float,
    ) -> None:
        """Count one response to a right secret."""
        if now >= self._hour_ends:
            self._begin_hour(now)
        try:
            usage_count = self._open.answers[credential_id, secret_id, code, address]
        except KeyError:
            usage_count = self._begin(credential_id, secret_id, code, address)
        usage_count.count += 1
        usage_count.last_at = now
        usage_count.agent = agent

    def note(
        self, credential_id: str, secret_id: str, *, address: str | None, agent: bytes | None = None, now: float
    ) -> None:
        """Note a use that counts as no response. For an API secret, ``credential_id`` is empty."""
        self._open.others[credential_id, secret_id] = (now, address, agent)

    async def flush_each_second(self) -> None:
        """Flush once a second while the process serves."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                self.flush()
            except RuntimeError:  # no thread can be started now: try again next second
                log.exception("usage.not_flushed")

    def flush(self) -> None:
        """Close the current counts, unless older ones are still waiting, and have the thread pass them on."""
        if self._thread is not None and self._thread.is_alive():
            return
        if not self._closed:
            self._close()
        if self._closed:
            self._thread = threading.Thread(target=self._flush_all, name="usage", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Flush at the end of the process; waits a few seconds at most."""
        give_up_at = time.monotonic() + FINISHES_WITHIN_S
        self._close()
        self._wait(give_up_at)  # for a flush that is running
        self.flush()
        self._wait(give_up_at)

    # --- on the event loop ---------------------------------------------------------------------------------------

    def _wait(self, until: float) -> None:
        if self._thread is not None:
            self._thread.join(max(until - time.monotonic(), 0))

    def _begin_hour(self, now: float) -> None:
        self._close()
        self._open.hour = int(now) // HOUR_S * HOUR_S
        self._hour_ends = self._open.hour + HOUR_S

    def _begin(self, credential_id: str, secret_id: str, code: Code, address: str | None) -> UsageCount:
        """Begin a new count. If there is no room for another address, count under no address."""
        answers = self._open.answers
        size = len(self._open) + sum(map(len, tuple(self._closed)))
        if size < MAX_USAGE_COUNTS:
            return answers.setdefault((credential_id, secret_id, code, address), UsageCount())
        if size < 2 * MAX_USAGE_COUNTS or (credential_id, secret_id, code, None) in answers:
            return answers.setdefault((credential_id, secret_id, code, None), UsageCount())
        metrics.USAGE_LOST.inc()
        return UsageCount()

    def _close(self) -> None:
        if self._open:
            self._closed.append(self._open)
            self._open = UsageCounts(self._open.hour)

    # --- on the thread -------------------------------------------------------------------------------------------

    def _flush_all(self) -> None:
        have_own_connection()
        try:
            while self._closed and self._try_flush():
                self._closed.popleft()
                self._batch = None
        finally:
            connection.close()  # the thread ends

    def _try_flush(self) -> bool:
        batch = self._batch = self._batch or self._batch_of(self._closed[0])
        metrics.USAGE_LAG_SECONDS.set(max(time.time() - batch.closed_at, 0))
        try:
            self._flush_batch(batch)
        except Exception as exc:  # any failure: the batches behind this one must still be counted
            if is_outage(exc):  # perhaps written, perhaps not: on the next try, the id decides
                log.warning("usage.not_written", extra={"batch": batch.id, "error": type(exc).__name__})
                return False
            metrics.USAGE_LOST.inc(batch.answers)
            log.exception("usage.batch_dropped", extra={"batch": batch.id})
        metrics.USAGE_LAG_SECONDS.set(0)
        return True

    def _batch_of(self, usage_counts: UsageCounts) -> Batch:
        counts: dict[tuple[str, str, Code], int] = {}
        uses: list[Use] = []
        for (credential_id, secret_id, code, address), usage_count in usage_counts.answers.items():
            answered = credential_id, secret_id, code
            counts[answered] = counts.get(answered, 0) + usage_count.count
            if code in COUNTS_AS_USE:
                uses.append(Use(credential_id, secret_id, usage_count.last_at, address, _readable(usage_count.agent)))
        for (credential_id, secret_id), (at, address, agent) in usage_counts.others.items():
            uses.append(Use(credential_id, secret_id, at, address, _readable(agent)))
        return Batch(
            os.urandom(16).hex(),
            time.time(),
            [Count(*answered[:2], usage_counts.hour, answered[2].value, count) for answered, count in counts.items()],
            [use for use in uses if self._note_if_new(use)],
        )

    def _note_if_new(self, use: Use) -> bool:
        """Tell whether this use is new within its minute; writing it again would only cost rows."""
        minute = int(use.at) // MINUTE_S
        if minute != self._noted_minute or len(self._noted) > MAX_USAGE_COUNTS:
            self._noted.clear()
            self._noted_minute = minute
        known = len(self._noted)
        self._noted.add((use.secret_id, use.address, use.agent))
        return len(self._noted) > known


def _readable(agent: bytes | None) -> str:
    """Clean the user agent: printable, short, and without text that looks like a secret."""
    return redact(_NOT_PRINTABLE.sub(b" ", agent or b"").decode("ascii"))[:MAX_AGENT_CHARS].strip()


USAGE = UsageRecorder(flush_batch)
