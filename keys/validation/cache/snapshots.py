"""Read snapshots by name: from this process's own copies, then from the shared copies in Redis, then from the database.

The promise: *a validation that starts after a change has returned never sees the state before it, in any process.* A
second promise: no verdict goes back. One process never shows a state older than one it has shown. Neither does any
other process, once the change has returned (even as pending), or once a lease has passed since the newer state was
shown.

The protocol, in the order of a change's life:

1. **Write** (``invalidation``). A service commits, then runs one script in Redis. The script deletes the copies and
   fill tokens of the changed names, publishes the names, and only then reads the register of live processes. The
   service returns once each of these processes has acknowledged, or after 1.2 s, when the leases of the rest have run
   out. A register that is empty, from another run of Redis, or younger than 1.2 s may not list every process; then the
   service waits the whole 1.2 s. A repeated change does all of this again, although it finds nothing to change.
2. **Fill** (this module). A reader that misses takes a fill token in Redis *before* it reads the database. Its copy is
   stored only if the token is still there: a write in between deletes the token, so a stale read is never stored.
   A reader that finds the token taken reads the database for itself and stores nothing in Redis. No answer waits until
   its copy is stored.
3. **Own copies** (``local``). A process uses its own copies only under a lease (``lease``).

   - A lease lasts 0.8 s from the moment before the process renewed its row in the register. It is granted once a ping
     sent after the renewal has come back over the subscription, and so behind all earlier invalidations.
   - A new connection begins a new epoch and drops all copies.
   - The process acknowledges a message after it has dropped the named copies and marked the running loads.
   - A load's result is stored only if its epoch still lasts, the lease was good when the load began, and no
     invalidation of its name has come since.
   - A caller joins a running load only under the same rules. Otherwise it waits for the next load, which begins after
     the caller came (``single_flight``).
   - Shared copies, too, are read only under a lease. Without one the database answers.
   - A process without a lease (at its start, or after an outage) gets one only after it has read the outbox and
     announced everything in it.
   - A process that answers from the database remembers this first: no shared copy read earlier counts. It forgets it
     once Redis is known to have stored the result of that very read.
   - A copy that is used after half of its time is refreshed in the background. A refresh is a load under all these
     rules. If it fails, the copy stays. While the database does not answer, none begins.

4. **Age.** A copy is fresh for ``SNAPSHOT_TTL`` from the time of its fill token, less up to a tenth of that, so that
   copies do not all end together. It is kept until ``SNAPSHOT_STALE_IF_ERROR`` for a time when the database does not
   answer. The promises do not rest on age.
5. **Redis unreachable at the write, or refusing it.** The writer retries for 2.4 s; by then, leases that Redis does not
   renew are over. Then the names stay in the outbox for any process that reaches both stores, and the change returns
   with the time by which no copy can be left. If Redis answers but refuses writes (a replica after a failover), the
   writer also publishes a hint: processes drop the names, use no shared copy from before, and acknowledge nothing.
6. **Redis itself** (``serialization``). An HMAC binds a shared copy to one run of one server: a copy restored from an
   old dump, or written by hand, is a miss.
7. **Redis down:** the database answers, behind a circuit breaker. **Database down:** kept copies answer; credentials
   still expire, because expiry is checked against the clock. **Both down:** Unavailable.
"""

import asyncio
import os
import random
import time
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from keys.validation import metrics
from keys.validation.cache import serialization
from keys.validation.cache.local import Copy, Load, LocalCache
from keys.validation.cache.single_flight import Found, SharedLoad, SingleFlight, by_owner
from keys.validation.store.circuit_breaker import Breaker
from keys.validation.store.clock import boottime
from keys.validation.store.database import DEADLINE_S, DatabaseSnapshots, Unavailable
from keys.validation.store.redis_link import Link, RedisDown, copy_keys, script
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import Snapshot

TAKE_WITHIN_S = 0.05
TOKEN_MS = 2_000
MAX_FILLS = 64
JITTER = 0.1  # the share of a copy's time that may be missing, so that copies do not all end together
REFRESH_AGAIN_AFTER_S = 5.0


@dataclass(slots=True)
class Taken:
    """A response of Redis: its time, the copies of this run with their ages, and the names whose tokens we hold."""

    run: bytes
    now_ms: int
    nonce: str
    copies: dict[str, tuple[Snapshot, float]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)


@dataclass(slots=True)
class LoadBatch:
    """Loads that run together, when they began, and what Redis and then the database returned for them."""

    loads: Mapping[str, SharedLoad]
    before: float
    taken: Taken | None = None  # None if Redis did not answer
    read: dict[str, tuple[Snapshot, float]] = field(default_factory=dict)  # and when it was read


class CachedSnapshots:
    """Reads snapshots through both caches; one per process, on its event loop."""

    def __init__(
        self,
        database: DatabaseSnapshots,
        local: LocalCache,
        link: Link,
        *,
        fresh_s: float,
        kept_s: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """``draw`` returns a number from 0 to 1 for each copy: how much of the jitter it gets."""
        self._database = database
        self._local = local
        self._link = link
        self._fresh_s = fresh_s
        self._kept_s = kept_s
        self._draw = draw
        self._breaker = Breaker()
        self._fills = 0
        self._may_refresh_from = 0.0
        self._loads = SingleFlight(local, self._load)

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> dict[str, Snapshot]:
        """Return the named snapshots that exist; raises Unavailable.

        ``deadline`` is on the event loop's clock.
        """
        now = boottime()
        found, wanted = self._local.read(names, now)
        if wanted:
            missing = [name for name in wanted if name not in found]
            if len(missing) < len(wanted):
                self._refresh([name for name in wanted if name in found], now, owner)
            if missing:
                started = time.perf_counter()
                for name, copy in await self._wait_for(missing, now, deadline, owner):
                    found[name] = copy.snapshot
                metrics.LOAD_SECONDS.observe(time.perf_counter() - started)
        return found

    def _refresh(self, names: Sequence[str], now: float, owner: Owner) -> None:
        """Refresh these copies in the background, unless the database has just not answered."""
        for name in names:
            self._local.put_off_refresh(name, now + REFRESH_AGAIN_AFTER_S)
        if now >= self._may_refresh_from and not self._database.is_out:
            self._loads.refresh(names, now, owner)

    async def _wait_for(
        self, names: Sequence[str], now: float, deadline: float, owner: Owner
    ) -> list[tuple[str, Copy]]:
        results = self._loads.join(names, now, owner)
        if self._database.is_out and (kept := self._all_kept(names)):  # our load may be the probe, and hang
            return kept
        try:
            async with asyncio.timeout_at(deadline):
                copies = [(name, await asyncio.shield(result)) for name, result in results.items()]
        except TimeoutError:
            if kept := self._all_kept(names):
                return kept
            raise Unavailable("timeout") from None
        return [(name, copy) for name, copy in copies if copy is not None]

    def _all_kept(self, names: Sequence[str]) -> list[tuple[str, Copy]]:
        """Return this process's copies of all the names, fresh or not; an empty list if one is missing."""
        now = boottime()
        kept = [(name, copy) for name in names if (copy := self._local.get_kept(name, now)) is not None]
        return kept if len(kept) == len(names) else []

    async def _load(self, loads: Mapping[str, SharedLoad]) -> AsyncIterator[Mapping[str, Found]]:
        """Load from the shared copies first, then from the database. Store what that returned after it was yielded."""
        batch = LoadBatch(loads, boottime())
        # Without a lease this process may have missed that a copy had to be deleted and could not be.
        leased = {name: self._max_age_s(shared.load) for name, shared in loads.items() if shared.load.had_lease}
        if leased:
            batch.taken = await self._take(leased)
        fresh = self._fresh(batch, leased)
        yield fresh
        left = {name: shared for name, shared in loads.items() if name not in fresh}
        if not left:
            return
        reads = [self._read(names, owner, batch) for owner, names in self._loads.in_shares(left)]
        for found in reads if len(reads) == 1 else asyncio.as_completed(reads):
            yield await found
        if batch.taken is not None and batch.read and self._fills < MAX_FILLS:
            await self._fill(batch.taken, batch.read)

    def _max_age_s(self, load: Load) -> float:
        """Return the age up to which a shared copy will do: for a refresh, below that of all copies that are due."""
        return self._fresh_s * (1 - JITTER) / 2 if load.is_refresh else self._fresh_s

    def _fresh(self, batch: LoadBatch, max_ages_s: Mapping[str, float]) -> dict[str, Copy]:
        """Return the shared copies that may be used as they are."""
        copies = {} if batch.taken is None else batch.taken.copies
        return {
            name: self._copy(snapshot, age_s, batch.before)
            for name, (snapshot, age_s) in copies.items()
            if age_s < max_ages_s[name] and self._local.accepts(name, batch.before - age_s)
        }

    async def _take(self, max_ages_s: Mapping[str, float]) -> Taken | None:
        """Fetch shared copies, and fill tokens for the names without a copy that will do; None if Redis is down."""
        if not self._breaker.try_acquire(time.monotonic()):
            return None
        nonce = os.urandom(8).hex()
        try:
            taken = await self._take_with(nonce, max_ages_s)
            foreign = {name: 0.0 for name in max_ages_s if name not in taken.copies and name not in taken.tokens}
            if foreign:  # another reader has the token; or an entry not of this run, which must not keep it from us
                taken.tokens += (await self._take_with(nonce, foreign)).tokens
        except RedisDown:
            self._breaker.timed_out(time.monotonic())
            return None
        self._breaker.answered()
        return taken

    async def _take_with(self, nonce: str, max_ages_s: Mapping[str, float]) -> Taken:
        names = list(max_ages_s)
        ages_ms = [int(age_s * 1000) for age_s in max_ages_s.values()]
        run, (now_ms, *answers) = await self._link.run_script(
            script("take"), copy_keys(names), nonce, TOKEN_MS, *ages_ms, within_s=TAKE_WITHIN_S
        )
        taken = Taken(run, now_ms, nonce)
        for name, entry, is_ours in zip(names, answers[::2], answers[1::2], strict=True):
            decoded = serialization.decode(name, entry, run=run) if entry else None
            if decoded is not None and decoded[1] <= now_ms:  # else its clock was set back: age unknown
                snapshot, read_at_ms = decoded
                taken.copies[name] = (snapshot, (now_ms - read_at_ms) / 1000)
            if is_ours:
                taken.tokens.append(name)
        return taken

    async def _read(self, names: list[str], owner: Owner, batch: LoadBatch) -> dict[str, Found]:
        """Read from the database; if it does not answer, use kept copies, or return the error for names without one."""
        try:
            found = await self._read_database(names, owner, batch)
        except Unavailable as exc:
            names_of = by_owner({name: batch.loads[name] for name in names})
            if exc.args == ("error",) and len(names_of) > 1:  # the row of one must not cost the others their answers
                alone = await asyncio.gather(*(self._read(own, each, batch) for each, own in names_of.items()))
                return dict(ChainMap(*alone))
            return {name: self._kept(name, batch) or exc for name in names}
        read_at = boottime()
        for name, snapshot in found.items():
            self._local.note_read(name, read_at)  # until Redis is known to have stored it
            batch.read[name] = (snapshot, read_at)
        return {name: self._copy(found[name], 0.0, batch.before) if name in found else None for name in names}

    async def _read_database(self, names: list[str], owner: Owner, batch: LoadBatch) -> Mapping[str, Snapshot]:
        if self._database.is_out and all(batch.loads[name].load.is_refresh for name in names):
            raise Unavailable("breaker")  # a refresh must not be the probe that a caller could have been
        try:
            deadline = asyncio.get_running_loop().time() + DEADLINE_S
            return await self._database.read(names, deadline=deadline, owner=owner)
        except Unavailable as exc:
            if exc.args != ("busy",):  # that tells of the owner, not of the database
                self._may_refresh_from = boottime() + REFRESH_AGAIN_AFTER_S
            raise

    def _kept(self, name: str, batch: LoadBatch) -> Copy | None:
        """Return a copy for an outage of the database, fresh or not."""
        now = boottime()
        if (own := self._local.get_kept(name, now)) is not None:
            return own
        if batch.taken is None or name not in batch.taken.copies:
            return None
        snapshot, age_s = batch.taken.copies[name]
        shared = self._copy(snapshot, age_s, batch.before)
        return shared if now < shared.kept_until and self._local.accepts(name, batch.before - age_s) else None

    async def _fill(self, taken: Taken, read: Mapping[str, tuple[Snapshot, float]]) -> None:
        """Store copies where we still hold the token, and note which are known to be stored."""
        entries = [
            serialization.encode(name, read[name][0], run=taken.run, read_at_ms=taken.now_ms) if name in read else b""
            for name in taken.tokens
        ]
        self._fills += 1
        try:
            _, stored = await self._link.run_script(
                script("fill"),
                copy_keys(taken.tokens),
                taken.nonce,
                int(self._kept_s * 1000),
                *entries,
                within_s=TAKE_WITHIN_S,
            )
        except RedisDown:
            self._breaker.timed_out(time.monotonic())
            return
        finally:
            self._fills -= 1
        for name, is_stored in zip(taken.tokens, stored, strict=True):
            if is_stored:
                self._local.note_shared(name, read[name][1])

    def _copy(self, snapshot: Snapshot, age_s: float, before: float) -> Copy:
        share = 1 - JITTER * self._draw()
        fresh_until = before + (self._fresh_s - age_s) * share
        return Copy(snapshot, fresh_until - self._fresh_s * share / 2, fresh_until, before - age_s + self._kept_s)
