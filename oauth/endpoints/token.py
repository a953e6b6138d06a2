"""Issue an access token: authenticate → grant → status index → sign → count. With warm caches nothing is written."""

import time
from collections.abc import Mapping
from typing import Protocol

from django.conf import settings
from msgspec import Struct

from keys.validation.digest_cache import Basis
from keys.validation.snapshot_names import SIGNING_KEYS, api_name, client_name
from keys.validation.store.database import DEADLINE_S, Snapshots
from keys.validation.store.turns import Owner
from keys.validation.types import ApiSnapshot, Code, SigningKeysSnapshot, Snapshot
from oauth.client_auth import AuthenticatedClient, ClientAuthenticator, RequestOrigin
from oauth.endpoints.token_requests import TokenRequest, remember
from oauth.keyring import NoSigningKey, keyring
from oauth.protocol.access_token import sign
from oauth.protocol.errors import InvalidScope, InvalidTarget
from oauth.protocol.grants import GrantDecision, GrantRequest, choose_grant, decide_grant
from oauth.protocol.jti import BlockOwner, StatusIndex, new_jti


class Issued(Struct, frozen=True):
    """A token response (RFC 6749 §5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str

    def __repr__(self) -> str:
        return "Issued(***)"


class StatusIndexes(Protocol):
    """A source of status indexes."""

    async def take_index(self, owner: BlockOwner, *, deadline: float) -> StatusIndex:
        """A status index that no other token has; raises Unavailable."""


class Issuer:
    """Issues access tokens; one instance per process."""

    def __init__(self, clients: ClientAuthenticator, snapshots: Snapshots, status_indexes: StatusIndexes) -> None:
        self._clients = clients
        self._snapshots = snapshots
        self._status_indexes = status_indexes

    async def issue(self, request: TokenRequest, origin: RequestOrigin) -> Issued:
        """The token that the request asks for; raises OAuthError, or Unavailable if it cannot be issued now."""
        deadline = time.monotonic() + DEADLINE_S
        who = await self._clients.authenticate(request.client_auth, origin, deadline=deadline)
        grant_request = request.grant_request
        try:
            issued = await self._issue(who, request, grant_request, deadline)
        except (InvalidScope, InvalidTarget):  # both mean that the client lacks the requested access
            self._clients.count(who, Code.INSUFFICIENT_SCOPE, origin, now=time.time())
            raise
        self._clients.count(who, Code.VALID, origin, now=time.time())
        return issued

    async def _issue(
        self, who: AuthenticatedClient, request: TokenRequest, grant_request: GrantRequest, deadline: float
    ) -> Issued:
        decision, found = request.cached_decision(who.found), who.found
        if decision is None:
            decision, found = await self._decide_grant(who, grant_request, deadline)
            client_at = client_name(who.client.client_id)
            basis = Basis.of({**found, client_at: who.client}, (client_at, decision.api_at))
            remember(request, grant_request, who.client, decision, basis)
        keys, now = found.get(SIGNING_KEYS), time.time()
        if not isinstance(keys, SigningKeysSnapshot):
            raise NoSigningKey(decision.signing_algorithm)
        signer, iat = keyring(keys).signer(decision.signing_algorithm, now=now), int(now)
        # Choose the key first: a status index belongs to one key, so that dropping the key refuses only its tokens.
        status_index = await self._status_indexes.take_index(
            decision.block_owner.signed_by(signer.kid), deadline=deadline
        )
        payload = decision.payload_template.payload(
            new_jti(status_index), status_index, iat=iat, exp=iat + decision.lifetime_s
        )
        return Issued(sign(signer, payload), "Bearer", decision.lifetime_s, decision.scope)

    async def _decide_grant(
        self, who: AuthenticatedClient, grant_request: GrantRequest, deadline: float
    ) -> tuple[GrantDecision, Mapping[str, Snapshot]]:
        """The grant decision, with the snapshots of the API and of the signing keys."""
        grant = choose_grant(grant_request, who.client.grants)
        name = api_name(grant.api_id)
        found = who.found
        if name not in found or SIGNING_KEYS not in found:
            owner = Owner(who.client.organization_id)
            found = await self._snapshots.read((name, SIGNING_KEYS), deadline=deadline, owner=owner)
        api = found.get(name)
        if not isinstance(api, ApiSnapshot) or api.is_disabled:
            raise InvalidTarget("This API is out of service.")
        return decide_grant(grant_request, who.client, grant, api, issuer=settings.PUBLIC_URL), found
