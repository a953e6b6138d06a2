"""Build the principal of an API key, with the JSON that responses show of it. Pure.

Response members that depend only on snapshots are encoded here once. A call with a cached verdict is then answered by
joining bytes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from keys.validation.types import ApiSnapshot, KeySnapshot, Limit, Limits, OrganizationSnapshot, Principal


class CredentialMember(Struct, frozen=True):
    """The ``credential`` member of a response; all ids are public ids."""

    type: str
    id: str
    name: str
    environment: str
    expires_at: datetime | None
    secret_id: str | None


class OrganizationMember(Struct, frozen=True):
    """The ``organization`` member of a response."""

    id: str
    name: str
    external_id: str | None
    metadata: Raw


_encoder = msgspec.json.Encoder()


def principal_of(key: KeySnapshot, api: ApiSnapshot, organization: OrganizationSnapshot) -> Principal:
    """Build the principal of an API key."""
    # A scope deleted from the API is gone from all keys at once: keys keep the name, so intersect here.
    scopes = tuple(scope for scope in key.scopes if scope in api.scopes)
    expires_at = None if key.expires_at is None else datetime.fromtimestamp(key.expires_at, UTC)
    credential = CredentialMember("api_key", key.key_id, key.name, key.environment, expires_at, key.secret_id)
    return Principal(
        credential_id=key.key_id,
        secret_id=key.secret_id,
        organization_id=organization.organization_id,
        scopes=scopes,
        limits=limits_on(key.organization_id, key.rate_limits, api, everywhere=key.key_id, at_api=key.key_id),
        quota=key.quota,
        shown=members({"credential": credential, "organization": organization_member(organization)}),
        shown_if_valid=members(
            {
                "subject": key.key_id,
                "client_id": None,
                "scopes": scopes,
                "metadata": Raw(key.metadata),
                "operator_metadata": Raw(key.operator_metadata),
            }
        ),
        introspected={
            "active": True,
            "scope": " ".join(scopes),
            "token_type": "Bearer",
            **({} if key.expires_at is None else {"exp": int(key.expires_at)}),
            "sub": key.key_id,
            "aud": api.identifier,
            "org": organization.organization_id,
            "env": key.environment,
        },
    )


def organization_member(organization: OrganizationSnapshot) -> OrganizationMember:
    """Build the organization member. Its metadata is the operator's."""
    return OrganizationMember(
        organization.organization_id, organization.name, organization.external_id, Raw(organization.metadata)
    )


def limits_on(
    organization_id: str, own: tuple[Limit, ...], api: ApiSnapshot, *, everywhere: str, at_api: str
) -> Limits | None:
    """Return all limits on the credential's calls to the API; None if there is none.

    They are the credential's own limits, else the API's defaults; and in any case the API's maximum.
    ``everywhere`` owns the credential's own limits, ``at_api`` the API's. For a key both are the key's id.
    """
    usual = [replace(limit, owner=everywhere) for limit in own] or _of_api(api.rate_limits, at_api)
    ceiling = [replace(limit, name=f"api.{limit.name}") for limit in _of_api(api.max_rate_limits, at_api)]
    each: dict[tuple[str, int, int], Limit] = {}
    for limit in [*usual, *ceiling]:
        each.setdefault((limit.owner, limit.limit, limit.window_s), limit)
    if not each:
        return None
    return Limits(everywhere if own and not ceiling else at_api, organization_id, tuple(each.values()))


def _of_api(limits: tuple[Limit, ...], at_api: str) -> list[Limit]:
    return [replace(limit, owner=at_api) for limit in limits]


def members(values: Mapping[str, object]) -> bytes:
    """Encode the members of a JSON object, without its braces."""
    return _encoder.encode(values)[1:-1]
