"""Issue an access token: authenticate → grant → place in a status list → sign → count. A warm answer writes nothing."""

import time
from typing import Protocol

from django.conf import settings
from msgspec import Struct

from keys.validation.cache import snapshots
from keys.validation.database import DEADLINE_S, Snapshots
from keys.validation.names import SIGNING_KEYS, api_name, organization_name
from keys.validation.shapes import ApiSnapshot, ClientSnapshot, Code, GrantFacts, SigningKeysSnapshot
from oauth.client_auth import CLIENTS, AuthenticatedClient, Caller, ClientAuthenticator
from oauth.errors import InvalidScope, InvalidTarget
from oauth.grants import Wanted, choose_grant, choose_scopes, lifetime_s
from oauth.jti import Place, new_jti
from oauth.keyring import NoSigningKey, keyring
from oauth.status_leases import LEASES, Holder
from oauth.token_requests import TokenRequest, remember
from oauth.tokens import Claims, StatusClaim, StatusListClaim, mint


class Issued(Struct, frozen=True):
    """A token, as its client is told of it (RFC 6749 §5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str

    def __repr__(self) -> str:
        return "Issued(***)"


class Places(Protocol):
    """Where places in status lists come from."""

    async def place(self, holder: Holder, *, deadline: float) -> Place:
        """A place that no other token has; raises Unavailable."""


class Issuer:
    """Issues access tokens; one a process."""

    def __init__(self, clients: ClientAuthenticator, snapshots: Snapshots, places: Places) -> None:
        self._clients = clients
        self._snapshots = snapshots
        self._places = places

    async def issue(self, request: TokenRequest, caller: Caller) -> Issued:
        """The token that is asked for; raises OAuthError, or Unavailable where no answer can be given now."""
        deadline = time.monotonic() + DEADLINE_S
        who = await self._clients.authenticate(request.presented, caller, deadline=deadline)
        wanted = request.wanted
        try:
            issued = await self._issue(who, request, wanted, deadline)
        except InvalidScope:
            self._clients.count(who, Code.INSUFFICIENT_SCOPE, caller, now=time.time())
            raise
        self._clients.count(who, Code.VALID, caller, now=time.time())
        return issued

    async def _issue(self, who: AuthenticatedClient, request: TokenRequest, wanted: Wanted, deadline: float) -> Issued:
        client, found = who.client, who.found
        grant = choose_grant(wanted, client.grants)
        name = api_name(grant.api_id)
        if name not in found or SIGNING_KEYS not in found:
            found = await self._snapshots.read((name, SIGNING_KEYS), deadline=deadline)
        api, keys = found.get(name), found.get(SIGNING_KEYS)
        if not isinstance(api, ApiSnapshot) or api.is_disabled:
            raise InvalidTarget("This API is out of service.")
        scopes = choose_scopes(wanted, grant, api)
        place = await self._places.place(Holder(client.client_id, grant.api_id, client.generation), deadline=deadline)
        now = time.time()
        if not isinstance(keys, SigningKeysSnapshot):
            raise NoSigningKey(api.signing_algorithm)
        signer = keyring(keys).signer(api.signing_algorithm, now=now)
        claims = _claims(client, grant, api, scopes, place=place, iat=int(now))
        remember(request, (organization_name(client.organization_id), name, SIGNING_KEYS))
        return Issued(mint(signer, claims), "Bearer", claims.exp - claims.iat, claims.scope)


def _claims(
    client: ClientSnapshot, grant: GrantFacts, api: ApiSnapshot, scopes: tuple[str, ...], *, place: Place, iat: int
) -> Claims:
    issuer = settings.PUBLIC_URL
    return Claims(
        iss=issuer,
        aud=grant.identifier,
        sub=client.client_id,
        client_id=client.client_id,
        iat=iat,
        exp=iat + lifetime_s(client, api),
        jti=new_jti(place),
        scope=" ".join(scopes),
        org=client.organization_id,
        env=client.environment,
        gen=client.generation,
        status=StatusClaim(StatusListClaim(place.idx, f"{issuer}/oauth/status/{place.list_number}")),
    )


ISSUER = Issuer(CLIENTS, snapshots(), LEASES)
