"""Serve Token Status Lists from memory, at most a few seconds behind the database.

The facts of a list are read at most once per ``FRESH_S``, on a thread. The list is built again only if they changed.
``/v1/validate`` and ``/oauth/introspect`` refuse a revoked token at once.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from django.db import Error, close_old_connections

from keys.validation.snapshot_names import SIGNING_KEYS
from keys.validation.store.database import Snapshots, Unavailable
from keys.validation.types import SigningKeysSnapshot
from oauth.keyring import NoSigningKey, keyring
from oauth.protocol.access_token import Signer
from oauth.status_lists import TYPE, Content, Served, build, read_facts, read_numbers, signed

ALGORITHM = "ES256"
FRESH_S = 2.0
ASKED_AGAIN_AFTER_S = 0.2  # for unknown numbers, which anybody can make up: bounds the reads that they cause
SIGNED_EVERY_S = 900
THREADS = 2
Read = TypeVar("Read")


class Lists:
    """Serves the lists; one instance per process."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="status-lists")
        self._numbers = Refreshed(read_numbers, self._threads)
        self._contents: dict[int, Refreshed[Content]] = {}
        self._signed: dict[int, tuple[str, Future[Served]]] = {}  # with its ETag

    async def numbers(self, *, no_older_than_s: float = FRESH_S, deadline: float) -> frozenset[int]:
        """The numbers of the existing lists; raises Unavailable."""
        return await self._numbers.get(no_older_than_s=no_older_than_s, deadline=deadline)

    async def get(self, number: int, *, now: float, deadline: float) -> Served | None:
        """A signed list in its present state, or None if there is none; raises Unavailable or NoSigningKey."""
        numbers = await self.numbers(deadline=deadline)
        if number not in numbers:  # the list may be newer than the numbers that were read
            numbers = await self.numbers(no_older_than_s=ASKED_AGAIN_AFTER_S, deadline=deadline)
        if number not in numbers:
            return None
        if number not in self._contents:
            self._forget_all_but(numbers)
            self._contents[number] = Refreshed(Rebuilt(number), self._threads)
        content = await self._contents[number].get(no_older_than_s=FRESH_S, deadline=deadline)
        signer = await self._signer(now, deadline)
        # A weak ETag: processes sign the same content at slightly different times, and each copy is as good as another.
        etag = f'W/"{content.digest}-{int(now) // SIGNED_EVERY_S}-{signer.kid[:8]}"'
        signed_etag, signing = self._signed.get(number, ("", None))
        if signing is None or signed_etag != etag or (signing.done() and signing.exception()):
            # One signature for all waiting requests: signing a full list takes as long as a hundred verdicts.
            signing = self._threads.submit(partial(signed, number, content, signer, iat=int(now), etag=etag))
            self._signed[number] = etag, signing
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(asyncio.wrap_future(signing))
        except TimeoutError:
            raise Unavailable("timeout") from None

    def stop(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(cancel_futures=True)

    async def _signer(self, now: float, deadline: float) -> Signer:
        """The key that signs lists at present; read for each request, so that a dropped key signs no more lists."""
        keys = (await self._snapshots.read((SIGNING_KEYS,), deadline=deadline)).get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            raise NoSigningKey(ALGORITHM)
        return keyring(keys).signer(ALGORITHM, now=now, typ=TYPE)

    def _forget_all_but(self, numbers: frozenset[int]) -> None:
        for number in self._contents.keys() - numbers:
            del self._contents[number]
            self._signed.pop(number, None)


class Refreshed(Generic[Read]):
    """A value that a thread reads, with one read at a time; used on the event loop."""

    def __init__(self, read: Callable[[], Read], threads: ThreadPoolExecutor) -> None:
        self._read = read
        self._threads = threads
        self._running: Future[Read] | None = None
        self._began_at = 0.0
        self._kept: tuple[float, Read] | None = None

    async def get(self, *, no_older_than_s: float, deadline: float) -> Read:
        """The value, read at most ``no_older_than_s`` ago or now, by ``deadline`` on the event loop's clock.

        Raises Unavailable.
        """
        if self._kept is not None and time.monotonic() - self._kept[0] < no_older_than_s:
            return self._kept[1]
        if self._running is None or self._running.done():
            self._began_at = time.monotonic()
            self._running = self._threads.submit(_on_this_thread, self._read)
        running, began_at = self._running, self._began_at
        try:
            async with asyncio.timeout_at(deadline):
                value = await asyncio.shield(asyncio.wrap_future(running))
        except TimeoutError:
            raise Unavailable("timeout") from None
        except Error as exc:
            raise Unavailable("error") from exc
        self._kept = began_at, value
        return value


class Rebuilt:
    """Reads the facts of a list, and builds the list again if they changed."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._content: Content | None = None

    def __call__(self) -> Content:
        """The list for the present facts."""
        facts = read_facts(self._number)
        if self._content is None or self._content.facts != facts:
            self._content = build(facts)
        return self._content


def _on_this_thread(read: Callable[[], Read]) -> Read:
    close_old_connections()
    try:
        return read()
    finally:
        close_old_connections()
