"""From a question to its answer: recognise → read → decide → limits → count. Fails closed: no snapshot, no verdict."""

import asyncio
import time

from msgspec import Struct

from keys.validation import metrics
from keys.validation.api_keys import Caller, recognise_caller
from keys.validation.database import DEADLINE_S, Snapshots
from keys.validation.kinds import Credential, recognise
from keys.validation.names import api_name
from keys.validation.peppers import Mover
from keys.validation.ratelimit import RateLimiter, Standing
from keys.validation.shapes import Audience, Call, Code, Principal, Snapshot, Verdict
from keys.validation.usage import UsageRecorder

_COUNTERS = {code: metrics.VALIDATIONS.labels(code.value) for code in Code}


class UnknownCaller(Exception):
    """What was presented is no API secret that works."""


class Outcome(Struct, frozen=True):
    """What an asker is told."""

    code: Code
    principal: Principal | None = None
    missing_scopes: tuple[str, ...] = ()
    standing: Standing | None = None


class Engine:
    """Answers questions about credentials; one a process."""

    def __init__(self, snapshots: Snapshots, limiter: RateLimiter, usage: UsageRecorder, mover: Mover) -> None:
        self._snapshots = snapshots
        self._limiter = limiter
        self._usage = usage
        self._mover = mover

    async def know(self, api_secret: str) -> Audience:
        """What the API secret lets its bearer ask about; raises UnknownCaller or Unavailable."""
        caller = _caller(api_secret)
        deadline = _deadline()
        found = dict(await self._snapshots.read(caller.names, deadline=deadline))
        found |= await self._read_more(caller, None, found, deadline)
        return _known(caller, found, now=time.time())

    async def ask(self, api_secret: str, credential: str, call: Call, *, caller_address: str | None) -> Outcome:
        """Whether the credential may make the call to the caller's API; raises UnknownCaller or Unavailable."""
        caller, presented = _caller(api_secret), recognise(credential)
        started, deadline = time.perf_counter(), _deadline()
        names = caller.names if isinstance(presented, Verdict) else (*caller.names, *presented.names)
        found = dict(await self._snapshots.read(names, deadline=deadline))
        found |= await self._read_more(caller, presented, found, deadline)
        now = time.time()
        audience = _known(caller, found, now=now)
        verdict = presented if isinstance(presented, Verdict) else presented.decide(found, call, audience, now=now)
        outcome = self._settle(verdict, call, now=now)
        secret = caller.secret(found)
        if secret is not None:
            self._usage.count_caller(secret.secret_id, address=caller_address, now=now)
        self._mover.notice(caller.outdated(found))
        if not isinstance(presented, Verdict):
            self._mover.notice(presented.outdated(found))
        metrics.VALIDATION_SECONDS.observe(time.perf_counter() - started)
        return outcome

    async def ask_about_itself(self, credential: str, call: Call) -> Outcome:
        """What the credential is good for, asked by whoever holds it; raises Unavailable."""
        presented = recognise(credential)
        if isinstance(presented, Verdict):
            return self._settle(presented, call, now=time.time())
        started, deadline = time.perf_counter(), _deadline()
        found = dict(await self._snapshots.read(presented.names, deadline=deadline))
        more = presented.more(found, None)
        if more:
            found |= await self._snapshots.read(more, deadline=deadline)
        now = time.time()
        outcome = self._settle(presented.decide(found, call, None, now=now), call, now=now)
        metrics.VALIDATION_SECONDS.observe(time.perf_counter() - started)
        return outcome

    async def _read_more(
        self, caller: Caller, presented: Credential | Verdict | None, found: dict[str, Snapshot], deadline: float
    ) -> dict[str, Snapshot]:
        secret = caller.secret(found)
        if secret is None:
            raise UnknownCaller
        asks = Audience(secret.api_id, secret.environment)
        more = () if presented is None or isinstance(presented, Verdict) else presented.more(found, asks)
        return dict(await self._snapshots.read(tuple({api_name(secret.api_id), *more}), deadline=deadline))

    def _settle(self, verdict: Verdict, call: Call, *, now: float) -> Outcome:
        """Ask the limits, count the answer."""
        code, principal, standing = verdict.code, verdict.principal, None
        if code is Code.VALID and principal is not None and principal.rate_limits:
            standing = self._limiter.take(
                principal.credential_id, principal.rate_limits, cost=call.cost, now_ns=time.monotonic_ns()
            )
            if standing is not None and not standing.is_admitted:
                code = Code.RATE_LIMITED
        if principal is not None:
            address = None if call.address is None else str(call.address)
            self._usage.count(principal.credential_id, principal.secret_id, code, address=address, now=now)
        _COUNTERS[code].inc()
        return Outcome(code, principal, verdict.missing_scopes, standing)


def _caller(api_secret: str) -> Caller:
    caller = recognise_caller(api_secret)
    if caller is None:
        raise UnknownCaller
    return caller


def _known(caller: Caller, found: dict[str, Snapshot], *, now: float) -> Audience:
    audience = caller.audience(found, now=now)
    if audience is None:
        raise UnknownCaller
    return audience


def _deadline() -> float:
    return asyncio.get_running_loop().time() + DEADLINE_S
