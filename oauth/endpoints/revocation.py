"""``POST /oauth/revoke`` (RFC 7009): a client gives up a token of its own.

A token of another client is left as it is, and the answer is the same 200.

The answer comes after the revocation is stored and every process has heard of it. If either fails, there is no 200:
the client must take the token to be alive, and may try again (§2.2.1).

A client has one revocation under way. At most 16 calls that repeat it wait for its end; calls for another token of the
client get 429. So one tenant's revocations keep nobody else's waiting.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.conf import settings
from django.db import Error, close_old_connections

from keys.services.errors import Invalid
from keys.validation.digest_cache import mark_of
from keys.validation.snapshot_names import SIGNING_KEYS
from keys.validation.store.database import Snapshots, Unavailable
from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import Owner
from keys.validation.types import SigningKeysSnapshot
from keys.validation.wiring import snapshots
from oauth.client_auth import CLIENTS, Caller, ClientAuthenticator
from oauth.keyring import keyring
from oauth.models import Client
from oauth.protocol.access_token import Claims, Flaw, verify
from oauth.protocol.client_auth_methods import Presented
from oauth.protocol.errors import TooManyAtOnce
from oauth.services.tokens import revoke_token
from portal.audit import Actor, ActorKind

THREADS = 4
EACH = 16  # of one organization
MAX_WAITING = 16  # calls that wait for one revocation: they count among the requests that the process works on
WITHIN_S = 4.0  # storing it, and 1.2 s for the slowest process to hear


@dataclass(slots=True)
class UnderWay:
    """A client's revocation on its way. Its result says whether every process has heard of it."""

    mark: bytes  # of the token's text
    result: "asyncio.Future[bool]"
    waiting: int = 0  # calls


class Revoker:
    """Revokes tokens for their clients; one a process."""

    def __init__(self, clients: ClientAuthenticator, snapshots: Snapshots) -> None:
        self._clients = clients
        self._snapshots = snapshots
        self._threads = SharedThreads("revocations", threads=THREADS, each=EACH)
        self._under_way: dict[str, UnderWay] = {}  # by client

    async def revoke(
        self, presented: Presented, token: str, caller: Caller, *, request_id: str, deadline: float
    ) -> None:
        """Have the token refused from now on, if it is the client's own; raises OAuthError or Unavailable.

        TooManyAtOnce, an OAuthError, while another token of the client is being revoked.
        """
        who = await self._clients.authenticate(presented, caller, deadline=deadline)
        self._clients.note(who, caller, now=time.time())
        client_id, mark = who.client.client_id, mark_of(token.encode())
        if client_id not in self._under_way:  # a repeat costs no signature check
            claims = await self._genuine(token, deadline, Owner(who.client.organization_id))
            if claims is None or claims.client_id != client_id:
                return
            by = Actor(ActorKind.CREDENTIAL, address=caller.address, request_id=request_id, credential_id=client_id)
            if client_id not in self._under_way:
                self._begin(mark, claims, by)
        await self._wait_for(self._under_way[client_id], mark)

    def stop(self) -> None:
        """Let the threads end."""
        self._threads.stop()

    async def _genuine(self, token: str, deadline: float, owner: Owner) -> Claims | None:
        """The claims of a token that we signed and that has not expired. There is nothing to revoke of another."""
        keys = (await self._snapshots.read((SIGNING_KEYS,), deadline=deadline, owner=owner)).get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            return None
        now = time.time()
        found = verify(token, keyring(keys).verifiers, issuer=settings.PUBLIC_URL, now=now)
        return None if isinstance(found, Flaw) or found.claims.is_over(now) else found.claims

    def _begin(self, mark: bytes, claims: Claims, by: Actor) -> None:
        try:
            job = self._threads.submit(Owner(claims.org), partial(_revoke, claims, by))
        except Busy:
            raise TooManyAtOnce("Too many tokens of this organization are being revoked. Try again soon.") from None
        result = asyncio.wrap_future(job)
        self._under_way[claims.client_id] = UnderWay(mark, result)
        result.add_done_callback(partial(self._ended, claims.client_id))

    def _ended(self, client_id: str, result: "asyncio.Future[bool]") -> None:
        del self._under_way[client_id]
        if not result.cancelled():
            result.exception()  # whoever waited for it may be gone

    async def _wait_for(self, running: UnderWay, mark: bytes) -> None:
        if running.mark != mark:
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
    """Do so in this thread; whether every process has heard of it."""
    close_old_connections()
    try:
        client = Client.objects.select_related("organization").get(public_id=claims.client_id)
        changed = revoke_token(client, claims.jti, by=by, expires_at=datetime.fromtimestamp(claims.exp, UTC))
    except Invalid:
        return False  # it is alive and of ours, yet nobody knows of its place any more: it goes on, so this is no 200
    finally:
        close_old_connections()
    return changed.propagation.effective_by is None


REVOKER = Revoker(CLIENTS, snapshots())
