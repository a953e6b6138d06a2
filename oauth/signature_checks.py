"""Check signatures made with other people's keys, off the event loop and within bounds.

Every such check goes through this module, whatever the source of the key. A flood of one tenant keeps the others
waiting for one check at most. The signatures of our own tokens are checked on the event loop: a check costs about 100
microseconds (ES256), and handing it to a thread about 150.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from keys.validation.store.database import Unavailable
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import Owner
from oauth.protocol.errors import TooManyAtOnce

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
