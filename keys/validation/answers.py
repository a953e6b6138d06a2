"""What an asker is told, as JSON. A refusal tells who the credential is only where its secret was right."""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from keys.validation.engine import Outcome
from keys.validation.ratelimit import Standing
from keys.validation.shapes import Code


class RateLimitMember(Struct, frozen=True):
    """Where it stands with its tightest limit."""

    limit: int
    window_s: int
    remaining: int
    reset_s: float


class ValidMembers(Struct, frozen=True):
    """What an answer says of this call alone, where it is let through."""

    rate_limit: RateLimitMember | None = None
    quota: None = None


class RefusalMembers(Struct, frozen=True):
    """The same where it is refused; members that an answer has not are left out."""

    rate_limit: RateLimitMember | UnsetType = UNSET
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
    principal, standing = outcome.principal, outcome.standing
    if principal is None:
        return head + b'"}'
    if outcome.code is not Code.VALID:
        return b'%s",%s%s}' % (head, principal.shown, _refusal_members(outcome))
    limits = _UNLIMITED if standing is None else _encoder.encode(ValidMembers(_rate_limit(standing)))[1:-1]
    return b'%s",%s,%s,%s}' % (head, principal.shown, principal.shown_if_valid, limits)


def _refusal_members(outcome: Outcome) -> bytes:
    standing = outcome.standing
    members = _encoder.encode(
        RefusalMembers(
            UNSET if standing is None else _rate_limit(standing),
            outcome.missing_scopes or UNSET,
            UNSET if standing is None else round(standing.retry_after_s, 3),
        )
    )
    return b"" if members == b"{}" else b"," + members[1:-1]


def _rate_limit(standing: Standing) -> RateLimitMember:
    limit = standing.limit
    return RateLimitMember(limit.limit, limit.window_s, standing.remaining, round(standing.reset_s, 3))
