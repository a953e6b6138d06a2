"""From a validate request to its result: parse, read snapshots, decide, apply limits, count usage.

Fails closed: without the snapshots there is no verdict.
"""

import time
from collections.abc import Mapping

from msgspec import Struct

from keys.validation import metrics
from keys.validation.api_keys import PresentedApiSecret, ResolvedApiSecret, UnknownCaller
from keys.validation.credential_cache import cached_parse
from keys.validation.limits.admission import Admission, AdmissionResult
from keys.validation.limits.gcra import LimitStatus
from keys.validation.limits.quotas import QuotaStatus
from keys.validation.peppers import PepperRotator
from keys.validation.store.database import DEADLINE_S, Snapshots
from keys.validation.store.turns import stranger_at
from keys.validation.types import ApiSnapshot, Audience, Call, Code, Principal, Snapshot, Verdict
from keys.validation.usage.recorder import UsageRecorder
from keys.validation.verdict import works


class ValidationResult(Struct, frozen=True):
    """The result of one validation, as the response tells it."""

    code: Code
    principal: Principal | None = None
    missing_scopes: tuple[str, ...] = ()
    limit_status: LimitStatus | None = None
    quota_status: QuotaStatus | None = None


class Engine:
    """Validates credentials; one per process."""

    def __init__(
        self, snapshots: Snapshots, admission: Admission, usage: UsageRecorder, pepper_rotator: PepperRotator
    ) -> None:
        self._snapshots = snapshots
        self._admission = admission
        self._usage = usage
        self._pepper_rotator = pepper_rotator

    async def authenticate_caller(self, caller: PresentedApiSecret, *, caller_address: str | None = None) -> Audience:
        """Authenticate the caller by its API secret and return its audience; raises UnknownCaller or Unavailable."""
        deadline = time.monotonic() + DEADLINE_S
        owner = caller.owner_at(caller_address)
        api_secret = caller.resolve(await self._snapshots.read(caller.names, deadline=deadline, owner=owner))
        found = await self._snapshots.read((api_secret.api_at,), deadline=deadline, owner=api_secret.owner)
        _require_working(api_secret, found, now=time.time())
        return api_secret.audience

    async def validate(
        self,
        caller: PresentedApiSecret,
        credential: str,
        call: Call,
        *,
        caller_address: str | None,
        caller_agent: bytes | None = None,
    ) -> ValidationResult:
        """Validate the credential for this call to the caller's API; raises UnknownCaller or Unavailable."""
        parsed, deadline = cached_parse(credential), time.monotonic() + DEADLINE_S
        names = caller.names + parsed.lookup_names(caller.audience)
        found = await self._snapshots.read(names, deadline=deadline, owner=caller.owner_at(caller_address))
        api_secret = caller.resolve(found)
        audience = api_secret.audience
        resolved = parsed.resolve(found, audience, time.time())

        # The first read guessed these names from the last lookup. Read them now if it missed any.
        lead = {api_secret.api_at, *resolved.names}
        if not lead <= found.keys():
            found = {**found, **await self._snapshots.read(tuple(lead), deadline=deadline, owner=api_secret.owner)}
        now = time.time()
        _require_working(api_secret, found, now=now)
        verdict = parsed.decide(resolved, found, call, now)

        admitted = self._admission.try_admit_locally(verdict, call)
        if admitted is None:
            admitted = await self._admission.admit(verdict, call, now=now, deadline=deadline)
        result = self._result(verdict, admitted, call, now=now)
        self._usage.note("", api_secret.secret.secret_id, address=caller_address, agent=caller_agent, now=now)
        self._pepper_rotator.schedule(api_secret.stale_digest)
        self._pepper_rotator.schedule(resolved.stale_digest)
        return result

    async def whoami(self, credential: str, call: Call) -> ValidationResult:
        """Validate a credential for its own holder (whoami), who presents no API secret; raises Unavailable."""
        deadline = time.monotonic() + DEADLINE_S  # the same clock as the event loop's
        verdict = await self._decide_whoami(credential, call, deadline)
        now = time.time()
        admitted = await self._admission.admit(verdict, call, now=now, deadline=deadline)
        return self._result(verdict, admitted, call, now=now)

    async def _decide_whoami(self, credential: str, call: Call, deadline: float) -> Verdict:
        parsed = cached_parse(credential)
        owner = stranger_at(call.address)
        found = await self._snapshots.read(parsed.lookup_names(None), deadline=deadline, owner=owner)
        resolved = parsed.resolve(found, None, time.time())
        if not set(resolved.names) <= found.keys():
            found = {**found, **await self._snapshots.read(resolved.names, deadline=deadline, owner=owner)}
        return parsed.decide(resolved, found, call, time.time())

    def _result(self, verdict: Verdict, admitted: AdmissionResult, call: Call, *, now: float) -> ValidationResult:
        """Count the result for usage and metrics, and build it."""
        code, principal = admitted.code, verdict.principal
        if principal is not None:
            self._usage.count(
                principal.credential_id, principal.secret_id, code, address=call.address, agent=call.agent, now=now
            )
        metrics.ANSWERED[code] += 1
        return ValidationResult(code, principal, verdict.missing_scopes, admitted.limit_status, admitted.quota_status)


def _require_working(api_secret: ResolvedApiSecret, found: Mapping[str, Snapshot], *, now: float) -> None:
    api = found.get(api_secret.api_at)
    if not works(api_secret.secret, api if isinstance(api, ApiSnapshot) else None, now=now):
        raise UnknownCaller
