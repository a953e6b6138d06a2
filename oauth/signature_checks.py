"""Check signatures made with clients' keys, off the event loop and with bounds per client.

Every check with a key from outside goes through this module, whatever the source of the key. A flood of one tenant
delays the others by at most one check. The signatures of our own tokens are checked on the event loop: a check takes
about 100 microseconds (ES256), and handing it to a thread about 150.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from keys.validation.store.database import Unavailable
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import Owner
from oauth.protocol.errors import TooManyAtOnce

THREADS = 1  # a check holds the interpreter's lock, so a second thread would not check more
EACH = 64

Checked = TypeVar("Checked")


class SignatureChecks:
    """Runs signature checks; one instance per process."""

    def __init__(self) -> None:
        self._threads = SharedThreads("signatures", threads=THREADS, each=EACH)

    async def run(self, owner: Owner, check: Callable[[], Checked], *, deadline: float) -> Checked:
        """The result of ``check``, by ``deadline`` on the event loop's clock; raises TooManyAtOnce or Unavailable."""
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
        """Stop the thread."""
        self._threads.stop()


SIGNATURE_CHECKS = SignatureChecks()
