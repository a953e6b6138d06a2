"""Issue an access token: authenticate → grant → status index → sign → count. With warm caches nothing is written."""

import time
from typing import Protocol

from django.conf import settings
from msgspec import Struct

from keys.validation.snapshot_names import SIGNING_KEYS, api_name
from keys.validation.store.database import DEADLINE_S, Snapshots
from keys.validation.store.turns import Owner
from keys.validation.types import ApiSnapshot, Code, SigningKeysSnapshot, Snapshot
from keys.validation.wiring import snapshots
from oauth.client_auth import CLIENTS, AuthenticatedClient, ClientAuthenticator, RequestOrigin
from oauth.endpoints.token_requests import TokenRequest, remember
from oauth.keyring import NoSigningKey, keyring
from oauth.protocol.access_token import sign
from oauth.protocol.errors import InvalidScope, InvalidTarget
from oauth.protocol.grants import Terms, Wanted, choose_grant, settle
from oauth.protocol.jti import Holder, Place, new_jti
from oauth.status_leases import LEASES


class Issued(Struct, frozen=True):
    """A token response (RFC 6749 §5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str

    def __repr__(self) -> str:
        return "Issued(***)"


class Places(Protocol):
    """A source of status indexes."""

    async def place(self, holder: Holder, *, deadline: float) -> Place:
        """A status index that no other token has; raises Unavailable."""


class Issuer:
    """Issues access tokens; one instance per process."""

    def __init__(self, clients: ClientAuthenticator, snapshots: Snapshots, places: Places) -> None:
        self._clients = clients
        self._snapshots = snapshots
        self._places = places

    async def issue(self, request: TokenRequest, origin: RequestOrigin) -> Issued:
        """The token that the request asks for; raises OAuthError, or Unavailable if it cannot be issued now."""
        deadline = time.monotonic() + DEADLINE_S
        who = await self._clients.authenticate(request.client_auth, origin, deadline=deadline)
        wanted = request.wanted
        try:
            issued = await self._issue(who, request, wanted, deadline)
        except (InvalidScope, InvalidTarget):  # both mean that the client lacks the requested access
            self._clients.count(who, Code.INSUFFICIENT_SCOPE, origin, now=time.time())
            raise
        self._clients.count(who, Code.VALID, origin, now=time.time())
        return issued

    async def _issue(self, who: AuthenticatedClient, request: TokenRequest, wanted: Wanted, deadline: float) -> Issued:
        terms, keys = request.terms, who.found.get(SIGNING_KEYS)
        if terms is None or not terms.stand(who.client, who.found.get(terms.api_at)):
            terms, keys = await self._settle(who, wanted, deadline)
            remember(request, who.client, terms)
        now = time.time()
        if not isinstance(keys, SigningKeysSnapshot):
            raise NoSigningKey(terms.signing_algorithm)
        signer, iat = keyring(keys).signer(terms.signing_algorithm, now=now), int(now)
        # Choose the key first: a status index belongs to one key, so that dropping the key refuses only its tokens.
        place = await self._places.place(terms.holder.signed_by(signer.kid), deadline=deadline)
        payload = terms.draft.payload(new_jti(place), place, iat=iat, exp=iat + terms.lifetime_s)
        return Issued(sign(signer, payload), "Bearer", terms.lifetime_s, terms.scope)

    async def _settle(self, who: AuthenticatedClient, wanted: Wanted, deadline: float) -> tuple[Terms, Snapshot | None]:
        """The grant decision and the snapshot of the signing keys."""
        grant = choose_grant(wanted, who.client.grants)
        name = api_name(grant.api_id)
        found = who.found
        if name not in found or SIGNING_KEYS not in found:
            owner = Owner(who.client.organization_id)
            found = await self._snapshots.read((name, SIGNING_KEYS), deadline=deadline, owner=owner)
        api = found.get(name)
        if not isinstance(api, ApiSnapshot) or api.is_disabled:
            raise InvalidTarget("This API is out of service.")
        return settle(wanted, who.client, grant, api, issuer=settings.PUBLIC_URL), found.get(SIGNING_KEYS)


ISSUER = Issuer(CLIENTS, snapshots(), LEASES)
