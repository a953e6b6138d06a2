"""Move secrets in use from an older pepper to the first, so that the older can be retired. Never on a call's own time.

What is handed over are digests: the secret itself stays with the call that presented it.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.signals import setting_changed
from django.db import Error, close_old_connections
from django.dispatch import receiver

from keys.rules.secret import digest

MAX_NOTICED = 10_000

log = logging.getLogger(__name__)


class Outdated(NamedTuple):
    """A secret that stands under an older pepper: its digest there, and what it is under the first."""

    name_kind: str
    secret_id: str
    old: bytes
    new: bytes


def candidate_digests(text: str) -> list[bytes]:
    """What the secret may be stored as, that under the first pepper first: which it is, only finding it tells."""
    return [digest(text, pepper) for pepper in _peppers()]


@lru_cache(maxsize=1)
def _peppers() -> tuple[bytes, ...]:
    return tuple(pepper.key for pepper in settings.KEY_PEPPERS)


@receiver(setting_changed)
def _forget_peppers(**_: object) -> None:
    _peppers.cache_clear()


Move = Callable[[Outdated], object]


class Mover:
    """Hands each outdated secret over once, to a thread of its own; one a process."""

    def __init__(self) -> None:
        self._move: Move | None = None
        self._noticed: set[str] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="peppers")

    def register(self, move: Move) -> None:
        """Set what moves a secret: an operation, which stands above this package."""
        self._move = move

    def notice(self, outdated: Outdated | None) -> None:
        """Have the secret moved, unless that has been tried: at the next start it is tried again."""
        if outdated is None or self._move is None or outdated.secret_id in self._noticed:
            return
        if len(self._noticed) < MAX_NOTICED:
            self._noticed.add(outdated.secret_id)
            self._thread.submit(self._run, self._move, outdated)

    def stop(self) -> None:
        """Finish what was handed over."""
        self._thread.shutdown()

    def _run(self, move: Move, outdated: Outdated) -> None:
        close_old_connections()
        try:
            move(outdated)
        except Error as exc:
            self._noticed.discard(outdated.secret_id)
            log.warning("pepper.not_moved", extra={"secret": outdated.secret_id, "error": type(exc).__name__})
        finally:
            close_old_connections()


MOVER = Mover()
