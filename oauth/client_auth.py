"""Authenticate OAuth clients, by secret or by an assertion that one of their keys signed.

An unknown client, a wrong secret and a client that may not be used get the same response, byte for byte. With cached
snapshots the only I/O is the replay check of an assertion.

Assertions are checked off the event loop. After too many failures for one client from one network (an IPv4 address or
an IPv6 /64), a single assertion for that client from that network is checked at a time, and the others are refused
before any work. A valid assertion that is checked is accepted all the same.
"""

import hmac
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from django.conf import settings

from keys.rules.secret import MAX_SECRET_CHARS
from keys.validation.peppers import PepperRotator, StaleDigest, candidate_digests
from keys.validation.snapshot_names import client_name, organization_name
from keys.validation.store.database import Snapshots
from keys.validation.store.turns import Owner, stranger_at
from keys.validation.types import ClientSnapshot, Code, OrganizationSnapshot, Snapshot
from keys.validation.usage.recorder import UsageRecorder
from oauth.protocol import assertions
from oauth.protocol.assertions import Assertion
from oauth.protocol.client_auth_methods import ClientAssertionAuth, ClientAuthMethod, DigestedSecretAuth
from oauth.protocol.client_verdict import check_client
from oauth.protocol.errors import FailedTooOften, InvalidClient, UnauthorizedClient
from oauth.protocol.ids import is_client_id
from oauth.protocol.throttle import Failures, Who
from oauth.replays import Replays
from oauth.signature_checks import SIGNATURE_CHECKS
from portal.edge.endpoint import Request
from portal.edge.proxies import network_of
from portal.ids import ID_CHARS, base62


class RequestOrigin(NamedTuple):
    """Address and user agent of a request."""

    address: str | None
    agent: bytes | None = None


def origin_of(request: Request) -> RequestOrigin:
    """The client's address, taken from the connection or a trusted proxy, and its user agent."""
    return RequestOrigin(request.client_address, request.agent)


class Proof(NamedTuple):
    """The secret or key that authenticated the client; ``id`` is the id that its uses are counted under."""

    id: str
    ends_at: float | None = None
    stale_digest: StaleDigest | None = None
    assertion: Assertion | None = None


class AuthenticatedClient(NamedTuple):
    """An authenticated client that may be used, with the snapshots that were read for it."""

    client: ClientSnapshot
    proof_id: str
    found: Mapping[str, Snapshot]


class ClientAuthenticator:
    """Authenticates clients; one instance per process."""

    def __init__(
        self, snapshots: Snapshots, replays: Replays, usage: UsageRecorder, pepper_rotator: PepperRotator
    ) -> None:
        self._snapshots = snapshots
        self._replays = replays
        self._usage = usage
        self._pepper_rotator = pepper_rotator
        self._failures = Failures()
        self._looked_at: set[Who] = set()

    async def authenticate(
        self, client_auth: ClientAuthMethod, origin: RequestOrigin, *, deadline: float
    ) -> AuthenticatedClient:
        """The client, by ``deadline`` on the event loop's clock. A success is not counted: call ``count`` or ``note``.

        Raises InvalidClient, FailedTooOften, TooManyAtOnce, UnauthorizedClient (its networks) or Unavailable.
        """
        # Any other text counts as one client: it may be of any length, and would be kept with the failures.
        name = client_auth.client_id if is_client_id(client_auth.client_id) else ""
        who = name, network_of(origin.address)
        try:
            if isinstance(client_auth, ClientAssertionAuth):
                with self._one_at_a_time(who):
                    return await self._authenticate(client_auth, origin, deadline)
            return await self._authenticate(client_auth, origin, deadline)
        except InvalidClient:
            wait_s = self._failures.note(who, now=time.monotonic())
            if wait_s:
                raise FailedTooOften(retry_after_s=wait_s) from None
            raise

    def count(self, who: AuthenticatedClient, code: Code, origin: RequestOrigin, *, now: float) -> None:
        """Count one use of the client's secret or key, with its result."""
        self._usage.count(who.client.client_id, who.proof_id, code, address=origin.address, agent=origin.agent, now=now)

    def note(self, who: AuthenticatedClient, origin: RequestOrigin, *, now: float) -> None:
        """Note when and from where the secret or key was used for a request other than a token request."""
        self._usage.note(who.client.client_id, who.proof_id, address=origin.address, agent=origin.agent, now=now)

    @contextmanager
    def _one_at_a_time(self, who: Who) -> Iterator[None]:
        """After too many failures, admit one assertion at a time; raises FailedTooOften for the others."""
        wait_s = self._failures.wait_s(who, now=time.monotonic())
        if not wait_s:
            yield
            return
        if who in self._looked_at:
            raise FailedTooOften(retry_after_s=wait_s)
        self._looked_at.add(who)
        try:
            yield
        finally:
            self._looked_at.discard(who)

    async def _authenticate(
        self, client_auth: ClientAuthMethod, origin: RequestOrigin, deadline: float
    ) -> AuthenticatedClient:
        names = _names(client_auth)
        digests = digests_of(client_auth)
        is_known = isinstance(client_auth, DigestedSecretAuth)
        owner = Owner(client_auth.client_id) if is_known else stranger_at(origin.address)
        found = await self._snapshots.read(names, deadline=deadline, owner=owner)
        client = found.get(names[0])
        if isinstance(client_auth, ClientAssertionAuth):
            proof = await _proof_by_key(client_auth, client, origin, deadline)
        else:
            proof = _proof_by_secret(digests, client)
        if not isinstance(client, ClientSnapshot) or proof is None:
            raise InvalidClient
        name = organization_name(client.organization_id)
        if name not in found:
            found = await self._snapshots.read((name,), deadline=deadline, owner=Owner(client.organization_id))
        now = time.time()
        organization = found.get(name)
        if not isinstance(organization, OrganizationSnapshot):
            raise InvalidClient
        who = AuthenticatedClient(client, proof.id, found)
        code = check_client(client, organization, proof_ends_at=proof.ends_at, address=origin.address, now=now)
        if code is not Code.VALID:
            self.count(who, code, origin, now=now)
            raise UnauthorizedClient(_ELSEWHERE) if code is Code.IP_DENIED else InvalidClient
        if proof.assertion and not await self._replays.claim(client.client_id, proof.assertion):
            raise InvalidClient
        self._pepper_rotator.schedule(proof.stale_digest)
        return who


_ELSEWHERE = "This client may not be used from this network address."


def _names(client_auth: ClientAuthMethod) -> Sequence[str]:
    """Names of the snapshots to read first, the client's at the front; raises InvalidClient for a malformed id."""
    if isinstance(client_auth, DigestedSecretAuth):
        return client_auth.names
    if not is_client_id(client_auth.client_id):
        raise InvalidClient
    return (client_name(client_auth.client_id),)


def digests_of(client_auth: ClientAuthMethod) -> Sequence[bytes]:
    """Digests that the secret may be stored as, the one under the first pepper first; none for an assertion.

    Raises InvalidClient for a secret that is too long or not ASCII.
    """
    if isinstance(client_auth, DigestedSecretAuth):
        return client_auth.digests
    if isinstance(client_auth, ClientAssertionAuth):
        return ()
    if len(client_auth.secret) > MAX_SECRET_CHARS or not client_auth.secret.isascii():
        raise InvalidClient
    return candidate_digests(client_auth.secret)


def _proof_by_secret(digests: Sequence[bytes], client: Snapshot | None) -> Proof | None:
    """The client's secret that matches a digest, or None.

    The caller digests the secret even if the client is unknown: a faster response would reveal which ids exist.
    """
    for facts in client.secrets if isinstance(client, ClientSnapshot) else ():
        for each in digests:
            if hmac.compare_digest(facts.digest, each):
                stale_digest = StaleDigest("client", facts.secret_id, each, digests[0]) if each != digests[0] else None
                return Proof(facts.secret_id, facts.ends_at, stale_digest)
    return None


async def _proof_by_key(
    client_auth: ClientAssertionAuth, client: Snapshot | None, origin: RequestOrigin, deadline: float
) -> Proof | None:
    """The client's key that signed the assertion, or None.

    Raises InvalidClient; for an assertion that the client's key signed, its description names the broken rule.
    """
    if not isinstance(client, ClientSnapshot):
        return None
    check = partial(
        assertions.check,
        client_auth.assertion,
        client.public_keys,
        client_id=client.client_id,
        issuer=settings.PUBLIC_URL,
        now=time.time(),
    )
    owner = Owner(client.organization_id, f"{client.client_id} {network_of(origin.address)}")
    found = await SIGNATURE_CHECKS.run(owner, check, deadline=deadline)
    if isinstance(found, assertions.AssertionFlaw):
        raise InvalidClient(found.value)
    return found and Proof(id_of_key(client.client_id, found.kid), assertion=found)


def id_of_key(client_id: str, kid: str) -> str:
    """The id under which uses of a client's key are counted. It is short, while a ``kid`` may be long."""
    number = int.from_bytes(sha256(f"{client_id} {kid}".encode()).digest()[:16], "big")
    return f"jwk_{base62(number, width=ID_CHARS)}"
