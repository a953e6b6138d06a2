"""Who an API key stands for, together with the text that answers show of it. Pure.

The members of an answer that depend on nothing but the snapshots are written out here, so that a call that was let
through before is answered by joining bytes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Raw, Struct

from keys.validation.shapes import ApiSnapshot, KeySnapshot, OrganizationSnapshot, Principal


class CredentialMember(Struct, frozen=True):
    """The credential, by its public ids."""

    type: str
    id: str
    name: str
    environment: str
    expires_at: datetime | None
    secret_id: str | None


class OrganizationMember(Struct, frozen=True):
    """Whose it is."""

    id: str
    name: str


_encoder = msgspec.json.Encoder()


def principal_of(key: KeySnapshot, api: ApiSnapshot, organization: OrganizationSnapshot) -> Principal:
    """Who an API key stands for."""
    # What the API no longer has, no key has: scopes are cut by editing the API alone.
    scopes = tuple(scope for scope in key.scopes if scope in api.scopes)
    expires_at = None if key.expires_at is None else datetime.fromtimestamp(key.expires_at, UTC)
    credential = CredentialMember("api_key", key.key_id, key.name, key.environment, expires_at, key.secret_id)
    owner = OrganizationMember(organization.organization_id, organization.name)
    return Principal(
        type=credential.type,
        credential_id=key.key_id,
        secret_id=key.secret_id,
        limited_as=key.key_id,
        environment=key.environment,
        organization_id=organization.organization_id,
        scopes=scopes,
        rate_limits=key.rate_limits or api.rate_limits,
        quota=key.quota,
        shown=members({"credential": credential, "organization": owner}),
        shown_if_valid=members(
            {"subject": key.key_id, "client_id": None, "scopes": scopes, "metadata": Raw(key.metadata)}
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


def members(values: Mapping[str, object]) -> bytes:
    """The members as they stand inside a JSON object, without its braces."""
    return _encoder.encode(values)[1:-1]
