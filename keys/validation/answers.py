"""What an asker is told, as JSON. A refusal tells who the credential is only where its secret was right."""

from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from keys.validation.engine import Outcome
from keys.validation.ratelimit import Standing
from keys.validation.shapes import Code, Principal


class CredentialBody(Struct, frozen=True):
    """The credential, by its public ids."""

    type: str
    id: str
    name: str
    environment: str
    expires_at: datetime | None
    secret_id: str


class OrganizationBody(Struct, frozen=True):
    """Whose it is."""

    id: str
    name: str


class RateLimitBody(Struct, frozen=True):
    """Where it stands with its tightest limit."""

    limit: int
    window_s: int
    remaining: int
    reset_s: float


class Body(Struct, frozen=True, kw_only=True):
    """The answer; members that an answer has not are left out."""

    valid: bool
    code: Code
    request_id: str
    credential: CredentialBody | UnsetType = UNSET
    organization: OrganizationBody | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    client_id: str | UnsetType | None = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET
    rate_limit: RateLimitBody | UnsetType | None = UNSET
    quota: UnsetType | None = UNSET
    missing_scopes: tuple[str, ...] | UnsetType = UNSET
    retry_after_s: float | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder()


def encode(outcome: Outcome, request_id: str) -> bytes:
    """The outcome as the JSON object of ``POST /v1/validate``."""
    principal = outcome.principal
    if principal is None:
        return _ENCODER.encode(Body(valid=False, code=outcome.code, request_id=request_id))
    if outcome.code is not Code.VALID:
        return _ENCODER.encode(_refusal(outcome, principal, request_id))
    return _ENCODER.encode(
        Body(
            valid=True,
            code=outcome.code,
            request_id=request_id,
            credential=_credential(principal),
            organization=OrganizationBody(principal.organization_id, principal.organization_name),
            subject=principal.credential_id,
            client_id=principal.client_id,
            scopes=principal.scopes,
            metadata=principal.metadata,
            rate_limit=_rate_limit(outcome.standing),
            quota=None,
        )
    )


def _refusal(outcome: Outcome, principal: Principal, request_id: str) -> Body:
    standing = outcome.standing
    return Body(
        valid=False,
        code=outcome.code,
        request_id=request_id,
        credential=_credential(principal),
        organization=OrganizationBody(principal.organization_id, principal.organization_name),
        rate_limit=UNSET if standing is None else _rate_limit(standing),
        missing_scopes=outcome.missing_scopes or UNSET,
        retry_after_s=UNSET if standing is None else round(standing.retry_after_s, 3),
    )


def _credential(principal: Principal) -> CredentialBody:
    expires_at = principal.expires_at
    return CredentialBody(
        principal.type,
        principal.credential_id,
        principal.name,
        principal.environment,
        None if expires_at is None else datetime.fromtimestamp(expires_at, UTC),
        principal.secret_id,
    )


def _rate_limit(standing: Standing | None) -> RateLimitBody | None:
    if standing is None:
        return None
    limit = standing.limit
    return RateLimitBody(limit.limit, limit.window_s, standing.remaining, round(standing.reset_s, 3))
