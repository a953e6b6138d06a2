"""Decide whether a genuine access token may be used for a call, and build its principal. No clock, database or Redis.

The order of the checks is that of API keys (``keys.validation.verdict``); the first that fails determines the code.
"""

from datetime import UTC, datetime

from msgspec import Raw

from keys.validation.principals import CredentialMember, limits_on, members, organization_member
from keys.validation.types import (
    ApiSnapshot,
    Audience,
    Call,
    ClientSnapshot,
    Code,
    GrantFacts,
    OrganizationSnapshot,
    Principal,
    Verdict,
)
from keys.validation.verdict import last_refusal
from oauth.protocol.access_token import Claims
from oauth.protocol.jti import status_index_text


def grant_of(token: Claims, client: ClientSnapshot, audience: Audience | None) -> GrantFacts | None:
    """The client's present grant at the token's API; None if the token is for another API or environment.

    None also if the client has lost the grant: then the API is told NOT_FOUND, as for an unknown token.
    """
    if audience is not None and client.environment != audience.environment:
        return None
    for grant in client.grants:
        if grant.identifier == token.aud:
            return grant if audience is None or grant.api_id == audience.api_id else None
    return None


def principal_of(
    token: Claims, client: ClientSnapshot, grant: GrantFacts, api: ApiSnapshot, organization: OrganizationSnapshot
) -> Principal:
    """The principal of a token: its client, with the token's scopes that grant and API still have."""
    expires_at = datetime.fromtimestamp(token.exp, UTC)
    credential = CredentialMember("access_token", client.client_id, client.name, client.environment, expires_at, None)
    scopes = tuple(scope for scope in token.scope.split() if scope in grant.scopes and scope in api.scopes)
    about = {"subject": client.client_id, "client_id": client.client_id, "scopes": scopes}
    return Principal(
        credential_id=client.client_id,
        secret_id=client.client_id,
        organization_id=organization.organization_id,
        scopes=scopes,
        limits=limits_on(
            client.organization_id,
            client.rate_limits,
            api,
            everywhere=client.client_id,
            at_api=client.at(api.api_id),
        ),
        quota=None,
        shown=members({"credential": credential, "organization": organization_member(organization)}),
        shown_if_valid=members(
            about | {"metadata": Raw(client.metadata), "operator_metadata": Raw(client.operator_metadata)}
        ),
        introspected={
            "active": True,
            "scope": " ".join(scopes),
            "client_id": token.client_id,
            "token_type": "Bearer",
            "exp": token.exp,
            "iat": token.iat,
            "sub": token.sub,
            "aud": token.aud,
            "iss": token.iss,
            "jti": token.jti,
            "org": token.org,
            "env": token.env,
        },
    )


def decide(
    token: Claims,
    principal: Principal,
    client: ClientSnapshot,
    api: ApiSnapshot,
    organization: OrganizationSnapshot,
    *,
    call: Call,
    now: float,
) -> Verdict:
    """The verdict on a token that is for the caller's API, before any limit is checked."""
    missing = call.scopes.difference(principal.scopes)
    code = _first_refusal(token, client, api, organization, call=call, is_missing_scope=bool(missing), now=now)
    return Verdict(code, principal, tuple(sorted(missing)) if code is Code.INSUFFICIENT_SCOPE else ())


def _first_refusal(
    token: Claims,
    client: ClientSnapshot,
    api: ApiSnapshot,
    organization: OrganizationSnapshot,
    *,
    call: Call,
    is_missing_scope: bool,
    now: float,
) -> Code:
    if client.is_compromised:
        return Code.COMPROMISED
    if client.is_revoked or token.gen < client.generation or status_index_text(token.jti) in client.revoked_indexes:
        return Code.REVOKED
    if client.is_disabled or api.is_disabled:
        return Code.DISABLED
    if token.is_over(now):
        return Code.EXPIRED
    return last_refusal(organization, client.networks, call.address, is_missing_scope=is_missing_scope)
