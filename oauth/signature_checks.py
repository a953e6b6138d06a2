"""Check signatures that strangers sent by keys that are not ours, off the event loop and within bounds.

Every check of such a signature goes through here, whatever the key's source: who floods keeps nobody else waiting for
longer than one check. Our own tokens are checked on the loop: handing one over costs about 150 microseconds, checking
an ES256 signature about 100.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from keys.validation.database import Unavailable
from keys.validation.threads import Busy, SharedThreads
from keys.validation.turns import Owner
from oauth.errors import TooManyAtOnce

THREADS = 1  # a check holds the interpreter's lock: a second thread would check no more
EACH = 64

Checked = TypeVar("Checked")


class SignatureChecks:
    """The checks of one process."""

    def __init__(self) -> None:
        self._threads = SharedThreads("signatures", threads=THREADS, each=EACH)

    async def run(self, owner: Owner, check: Callable[[], Checked], *, deadline: float) -> Checked:
        """What ``check`` finds, by ``deadline`` on the event loop's clock; raises TooManyAtOnce or Unavailable."""
        try:
            found = self._threads.submit(owner, check)
        except Busy:
            raise TooManyAtOnce(
                "Too many assertions of this client are being checked. Try again in a second."
            ) from None
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(found)
        except TimeoutError:
            raise Unavailable("timeout") from None

    def stop(self) -> None:
        """Let the thread end."""
        self._threads.stop()


SIGNATURE_CHECKS = SignatureChecks()
