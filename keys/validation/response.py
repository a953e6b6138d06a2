"""Encode a validation result as JSON. A refusal names the credential only if its secret was right."""

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from keys.validation.engine import ValidationResult
from keys.validation.limits.gcra import LimitStatus
from keys.validation.limits.quotas import QuotaStatus
from keys.validation.types import Code


class QuotaMember(Struct, frozen=True):
    """The ``quota`` member: the state of the key's quota."""

    limit: int
    remaining: int
    refill: str
    resets_at: datetime | None


_encoder = msgspec.json.Encoder()
_UNLIMITED = b'"rate_limit":null,"quota":null'
_HEADS = {
    code: b'{"valid":%s,"code":"%s","request_id":"' % (b"true" if code is Code.VALID else b"false", code.encode())
    for code in Code
}


def encode(result: ValidationResult, request_id: str) -> bytes:
    """Encode the result as the JSON object of ``POST /v1/validate``."""
    head = _HEADS[result.code] + request_id.encode()  # a request id has no character that JSON must escape
    principal = result.principal
    if principal is None:
        return head + b'"}'
    if result.code is not Code.VALID:
        return b'%s",%s%s}' % (head, principal.shown, _refusal_members(result))
    return b'%s",%s,%s,%s}' % (head, principal.shown, principal.shown_if_valid, _valid_members(result))


def _valid_members(result: ValidationResult) -> bytes:
    """The members about this one call, for an allowed call."""
    limit_status, quota_status = result.limit_status, result.quota_status
    if limit_status is None and quota_status is None:
        return _UNLIMITED
    return b'"rate_limit":%s,"quota":%s' % (
        b"null" if limit_status is None else _rate_limit(limit_status),
        b"null" if quota_status is None else _quota(quota_status),
    )


def _refusal_members(result: ValidationResult) -> bytes:
    """The members about this one call, for a refused call: members without a value are left out."""
    members = b""
    if result.limit_status is not None:
        members += b',"rate_limit":' + _rate_limit(result.limit_status)
    if result.quota_status is not None:
        members += b',"quota":' + _quota(result.quota_status)
    if result.missing_scopes:
        members += b',"missing_scopes":' + _encoder.encode(result.missing_scopes)
    if result.limit_status is not None:
        members += b',"retry_after_s":%.3f' % result.limit_status.retry_after_s
    return members


def _rate_limit(status: LimitStatus) -> bytes:
    """The state of the tightest limit."""
    limit = status.limit
    numbers = limit.limit, limit.window_s, status.remaining, status.reset_s
    return b'{"limit":%d,"window_s":%d,"remaining":%d,"reset_s":%.3f}' % numbers


def _quota(status: QuotaStatus) -> bytes:
    resets_at = None if status.resets_at is None else datetime.fromtimestamp(status.resets_at, UTC)
    return _encoder.encode(QuotaMember(status.limit, status.remaining, status.refill, resets_at))
