"""Admit or refuse an allowed call under the credential's rate limits, then under its quota.

A refused call spends nothing: if the quota refuses it, its tokens are given back to the limits.
"""

from msgspec import Struct

from keys.validation.limits.gcra import LimitStatus
from keys.validation.limits.quotas import Quotas, QuotaStatus
from keys.validation.limits.rate_limiter import RateLimiter
from keys.validation.store.database import Unavailable
from keys.validation.store.turns import Owner
from keys.validation.types import Call, Code, Limits, Principal, Verdict


class AdmissionResult(Struct, frozen=True, gc=False):
    """The decision, with the state of the limits and the quota; None if there is none, or if it was not checked."""

    code: Code
    limit_status: LimitStatus | None = None
    quota_status: QuotaStatus | None = None


_UNLIMITED = AdmissionResult(Code.VALID)


class Admission:
    """Admits calls, with this process's view of limits and quotas."""

    def __init__(self, limiter: RateLimiter, quotas: Quotas) -> None:
        self._limiter = limiter
        self._quotas = quotas

    def try_admit_locally(self, verdict: Verdict, call: Call) -> AdmissionResult | None:
        """Spend the call's cost if that needs no I/O; None if ``admit`` has to be awaited."""
        principal = verdict.principal
        if principal is None or verdict.code is not Code.VALID:
            return AdmissionResult(verdict.code)
        if principal.quota is not None:
            return None
        if principal.limits is None:
            return _UNLIMITED
        status = self._limiter.try_admit_locally(principal.limits, cost=call.cost)
        return None if status is None else _within(status)

    async def admit(self, verdict: Verdict, call: Call, *, now: float, deadline: float) -> AdmissionResult:
        """Spend the call's cost; raises Unavailable if the quota cannot be counted."""
        principal = verdict.principal
        if principal is None or verdict.code is not Code.VALID:
            return AdmissionResult(verdict.code)
        status = None if principal.limits is None else await self._admit_under_limits(principal.limits, call)
        if status is not None and not status.is_admitted:
            return _within(status)
        if principal.quota is None:
            return AdmissionResult(Code.VALID, status)
        try:
            quota = await self._quotas.admit(
                principal.credential_id,
                principal.quota,
                cost=call.cost,
                now=now,
                deadline=deadline,
                owner=Owner(principal.organization_id),
            )
        except Unavailable:
            self._give_back(principal, status, call)
            raise
        if quota.is_admitted:
            return AdmissionResult(Code.VALID, status, quota)
        self._give_back(principal, status, call)
        return AdmissionResult(Code.QUOTA_EXCEEDED, quota_status=quota)

    async def _admit_under_limits(self, limits: Limits, call: Call) -> LimitStatus | None:
        status = self._limiter.try_admit_locally(limits, cost=call.cost)
        return status or await self._limiter.admit(limits, cost=call.cost)

    def _give_back(self, principal: Principal, status: LimitStatus | None, call: Call) -> None:
        if status is not None and principal.limits is not None:
            self._limiter.give_back(principal.limits, status, cost=call.cost)


def _within(status: LimitStatus) -> AdmissionResult:
    return AdmissionResult(Code.VALID if status.is_admitted else Code.RATE_LIMITED, status)
