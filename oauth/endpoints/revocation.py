"""``POST /oauth/revoke`` (RFC 7009): a client revokes one of its own tokens.

A request for another client's token changes nothing and gets the same 200.

The response is sent once the revocation is stored and every process has dropped its cached copy. If either fails, there
is no 200: the client has to assume that the token is still valid, and may retry (§2.2.1).

A client has at most one revocation in progress. Up to 16 requests that repeat it wait for its result; a request for
another token of the client gets 429. So one tenant's revocations do not delay another tenant's.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.conf import settings
from django.db import Error, close_old_connections

from keys.services.errors import Invalid
from keys.validation.digest_cache import keyed_digest
from keys.validation.snapshot_names import SIGNING_KEYS
from keys.validation.store.database import Snapshots, Unavailable
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import Owner
from keys.validation.types import SigningKeysSnapshot
from oauth.client_auth import ClientAuthenticator, RequestOrigin
from oauth.keyring import keyring
from oauth.models import Client
from oauth.protocol.access_token import Claims, TokenFlaw, verify
from oauth.protocol.client_auth_methods import ClientAuthMethod
from oauth.protocol.errors import TooManyAtOnce
from oauth.services.tokens import revoke_token
from portal.audit import Actor, ActorKind

THREADS = 4
EACH = 16  # revocations of one organization at once
MAX_WAITING = 16  # requests that wait for one revocation: each takes one of the process's places for requests
WITHIN_S = 4.0  # to store the revocation, plus 1.2 s for the slowest process to drop its copy


@dataclass(slots=True)
class UnderWay:
    """A client's revocation in progress; the result is True once every process has dropped its cached copy."""

    token_digest: bytes  # keyed digest of the token
    result: "asyncio.Future[bool]"
    waiting: int = 0  # requests that wait for the result


class Revoker:
    """Revokes tokens for their clients; one instance per process."""

    def __init__(self, clients: ClientAuthenticator, snapshots: Snapshots) -> None:
        self._clients = clients
        self._snapshots = snapshots
        self._threads = SharedThreads("revocations", threads=THREADS, each=EACH)
        self._under_way: dict[str, UnderWay] = {}  # by client

    async def revoke(
        self, client_auth: ClientAuthMethod, token: str, origin: RequestOrigin, *, request_id: str, deadline: float
    ) -> None:
        """Revoke the token if it is the client's own; raises OAuthError or Unavailable.

        While another token of the client is being revoked, the OAuthError is TooManyAtOnce.
        """
        who = await self._clients.authenticate(client_auth, origin, deadline=deadline)
        self._clients.note(who, origin, now=time.time())
        client_id, token_digest = who.client.client_id, keyed_digest(token.encode())
        if client_id not in self._under_way:  # a repeated request costs no signature check
            claims = await self._genuine(token, deadline, Owner(who.client.organization_id))
            if claims is None or claims.client_id != client_id:
                return
            by = Actor(ActorKind.CREDENTIAL, address=origin.address, request_id=request_id, credential_id=client_id)
            if client_id not in self._under_way:
                self._begin(token_digest, claims, by)
        await self._wait_for(self._under_way[client_id], token_digest)

    def stop(self) -> None:
        """Stop the threads."""
        self._threads.stop()

    async def _genuine(self, token: str, deadline: float, owner: Owner) -> Claims | None:
        """The claims of a token that we signed and that has not expired. Any other token needs no revocation: None."""
        keys = (await self._snapshots.read((SIGNING_KEYS,), deadline=deadline, owner=owner)).get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            return None
        now = time.time()
        found = verify(token, keyring(keys).verifiers, issuer=settings.PUBLIC_URL, now=now)
        return None if isinstance(found, TokenFlaw) or found.claims.is_over(now) else found.claims

    def _begin(self, token_digest: bytes, claims: Claims, by: Actor) -> None:
        try:
            job = self._threads.submit(Owner(claims.org), partial(_revoke, claims, by))
        except Busy:
            raise TooManyAtOnce("Too many tokens of this organization are being revoked. Try again soon.") from None
        result = asyncio.wrap_future(job)
        self._under_way[claims.client_id] = UnderWay(token_digest, result)
        result.add_done_callback(partial(self._ended, claims.client_id))

    def _ended(self, client_id: str, result: "asyncio.Future[bool]") -> None:
        del self._under_way[client_id]
        if not result.cancelled():
            result.exception()  # marks it as retrieved: asyncio logs an exception that no waiter has read

    async def _wait_for(self, running: UnderWay, token_digest: bytes) -> None:
        if running.token_digest != token_digest:
            raise TooManyAtOnce("Another token of this client is being revoked. Try again in a second.")
        if running.waiting >= MAX_WAITING:
            raise TooManyAtOnce("Many calls wait for this revocation already. Try again in a second.")
        running.waiting += 1
        try:
            async with asyncio.timeout(WITHIN_S):
                is_known_everywhere = await asyncio.shield(running.result)
        except TimeoutError:
            raise Unavailable("timeout") from None
        except Error as exc:
            raise Unavailable("error") from exc
        finally:
            running.waiting -= 1
        if not is_known_everywhere:
            raise Unavailable("not everywhere")


def _revoke(claims: Claims, by: Actor) -> bool:
    """Revoke the token, in this thread. True once every process has dropped its cached copy."""
    close_old_connections()
    try:
        client = Client.objects.select_related("organization").get(public_id=claims.client_id)
        changed = revoke_token(client, claims.jti, by=by, expires_at=datetime.fromtimestamp(claims.exp, UTC))
    except Invalid:
        return False  # the token is ours, but no block has its status index any more: it stays valid, so no 200
    finally:
        close_old_connections()
    return changed.propagation.effective_by is None
