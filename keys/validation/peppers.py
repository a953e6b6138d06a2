"""Move secrets in use from an older pepper to the first one, so that the older can be retired.

Runs on a thread of its own, never within a call. Only digests are passed on; the secret's text stays with its call.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from django.conf import settings
from django.db import Error, close_old_connections

from keys.rules.secret import digest

MAX_SCHEDULED = 10_000

log = logging.getLogger(__name__)


class StaleDigest(NamedTuple):
    """A secret stored under an older pepper: its stored digest, and its digest under the first pepper."""

    name_kind: str
    secret_id: str
    old: bytes
    new: bytes


def candidate_digests(text: str) -> list[bytes]:
    """Return the secret's digest under each pepper, in the order of the peppers. Any one of them may be stored."""
    return [digest(text, pepper.key) for pepper in settings.KEY_PEPPERS]


Rotate = Callable[[StaleDigest], object]


class PepperRotator:
    """Passes each outdated secret once to a thread of its own; one per process."""

    def __init__(self) -> None:
        self._rotate: Rotate | None = None
        self._scheduled: set[str] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="peppers")

    def register(self, rotate: Rotate) -> None:
        """Set the function that moves a secret. It is a service, and services may not be imported here."""
        self._rotate = rotate

    def schedule(self, stale: StaleDigest | None) -> None:
        """Schedule the move, once per process; again only after a database error. Does nothing for None."""
        if stale is None or self._rotate is None or stale.secret_id in self._scheduled:
            return
        if len(self._scheduled) < MAX_SCHEDULED:
            self._scheduled.add(stale.secret_id)
            self._thread.submit(self._run, self._rotate, stale)

    def stop(self) -> None:
        """Finish the scheduled moves."""
        self._thread.shutdown()

    def _run(self, rotate: Rotate, stale: StaleDigest) -> None:
        close_old_connections()
        try:
            rotate(stale)
        except Error as exc:
            self._scheduled.discard(stale.secret_id)
            log.warning("pepper.not_moved", extra={"secret": stale.secret_id, "error": type(exc).__name__})
        finally:
            close_old_connections()


PEPPER_ROTATOR = PepperRotator()
