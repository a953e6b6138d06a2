"""What an asker is told, as JSON. A refusal tells who the credential is only where its secret was right."""

from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, Struct, UnsetType

from keys.validation.engine import Outcome
from keys.validation.gcra import Standing
from keys.validation.quotas import QuotaStanding
from keys.validation.shapes import Code


class RateLimitMember(Struct, frozen=True):
    """Where it stands with its tightest limit."""

    limit: int
    window_s: int
    remaining: int
    reset_s: float


class QuotaMember(Struct, frozen=True):
    """Where it stands with its quota."""

    limit: int
    remaining: int
    refill: str
    resets_at: datetime | None


class ValidMembers(Struct, frozen=True):
    """What an answer says of this call alone, where it is let through."""

    rate_limit: RateLimitMember | None = None
    quota: QuotaMember | None = None


class RefusalMembers(Struct, frozen=True):
    """The same where it is refused; members that an answer has not are left out."""

    rate_limit: RateLimitMember | UnsetType = UNSET
    quota: QuotaMember | UnsetType = UNSET
    missing_scopes: tuple[str, ...] | UnsetType = UNSET
    retry_after_s: float | UnsetType = UNSET


_encoder = msgspec.json.Encoder()
_UNLIMITED = _encoder.encode(ValidMembers())[1:-1]
_HEADS = {
    code: b'{"valid":%s,"code":"%s","request_id":"' % (b"true" if code is Code.VALID else b"false", code.encode())
    for code in Code
}


def encode(outcome: Outcome, request_id: str) -> bytes:
    """The outcome as the JSON object of ``POST /v1/validate``."""
    head = _HEADS[outcome.code] + request_id.encode()  # an id is of characters that JSON has no need to escape
    principal = outcome.principal
    if principal is None:
        return head + b'"}'
    if outcome.code is not Code.VALID:
        return b'%s",%s%s}' % (head, principal.shown, _refusal_members(outcome))
    return b'%s",%s,%s,%s}' % (head, principal.shown, principal.shown_if_valid, _valid_members(outcome))


def _valid_members(outcome: Outcome) -> bytes:
    standing, quota = outcome.standing, outcome.quota
    if standing is None and quota is None:
        return _UNLIMITED
    members = ValidMembers(
        None if standing is None else _rate_limit(standing), None if quota is None else _quota(quota)
    )
    return _encoder.encode(members)[1:-1]


def _refusal_members(outcome: Outcome) -> bytes:
    standing, quota = outcome.standing, outcome.quota
    members = _encoder.encode(
        RefusalMembers(
            UNSET if standing is None else _rate_limit(standing),
            UNSET if quota is None else _quota(quota),
            outcome.missing_scopes or UNSET,
            UNSET if standing is None else round(standing.retry_after_s, 3),
        )
    )
    return b"" if members == b"{}" else b"," + members[1:-1]


def _rate_limit(standing: Standing) -> RateLimitMember:
    limit = standing.limit
    return RateLimitMember(limit.limit, limit.window_s, standing.remaining, round(standing.reset_s, 3))


def _quota(standing: QuotaStanding) -> QuotaMember:
    resets_at = None if standing.resets_at is None else datetime.fromtimestamp(standing.resets_at, UTC)
    return QuotaMember(standing.limit, standing.remaining, standing.refill, resets_at)
