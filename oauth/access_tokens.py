"""The credential type for access tokens: from a JWT to its client, API and organization.

The signature is checked once per token and process; the digest cache then recognises the token. The rest is checked for
each call: whether the signing key is still trusted, the expiry, and the current state of the client, the API and the
organization. Before the signature is checked, the token's claims only select the snapshots to read.
"""

from math import inf
from weakref import ref

from django.conf import settings

from keys.validation.credential_types import Snapshots
from keys.validation.digest_cache import DigestCache, keyed_digest
from keys.validation.snapshot_names import SIGNING_KEYS, api_name, client_name, organization_name
from keys.validation.types import (
    ApiSnapshot,
    Audience,
    Call,
    ClientSnapshot,
    Code,
    GrantFacts,
    OrganizationSnapshot,
    Principal,
    SigningKeysSnapshot,
    Verdict,
)
from keys.validation.verdict import MALFORMED, NOT_FOUND, CachedVerdict, cache_verdict
from oauth.keyring import keyring
from oauth.protocol.access_token import Claims, Genuine, TokenFlaw, UnverifiedToken, check, read
from oauth.protocol.ids import is_client_id
from oauth.protocol.token_verdict import decide, grant_of, principal_of

SIGNATURE_INVALID = Verdict(Code.SIGNATURE_INVALID)
_REFUSALS = {
    TokenFlaw.MALFORMED: MALFORMED,
    TokenFlaw.ISSUER_UNKNOWN: Verdict(Code.ISSUER_UNKNOWN),
    TokenFlaw.SIGNATURE_INVALID: SIGNATURE_INVALID,
}


class UnverifiedTokenCredential:
    """A well-formed access token that names us as its issuer; its signature is not checked yet."""

    __slots__ = ("_cache_key", "_names", "_unverified")

    def __init__(self, cache_key: bytes, unverified: UnverifiedToken) -> None:
        self._cache_key = cache_key
        self._unverified = unverified
        self._names = (SIGNING_KEYS, client_name(unverified.claims.client_id))

    @property
    def client_id(self) -> str:
        """The client that the token names; not verified."""
        return self._unverified.claims.client_id

    def lookup_names(self, _audience: Audience | None) -> tuple[str, ...]:
        """Snapshots to read first: the signing keys and the client that the token names."""
        return self._names

    def resolve(self, found: Snapshots, audience: Audience | None, *, now: float) -> "ResolvedAccessToken | Verdict":
        """Check the signature and resolve the client.

        Returns the refusal for a wrong signature, an unknown client or a token for another audience.
        """
        keys = found.get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            return SIGNATURE_INVALID
        genuine = check(self._unverified, keyring(keys).verifiers, now=now)
        if isinstance(genuine, TokenFlaw):
            return SIGNATURE_INVALID
        token = AccessToken(genuine, self._names)
        _CACHE.remember(self._cache_key, token)
        return token.resolve_client(found, audience)


class AccessToken:
    """A token whose signature this process has checked."""

    __slots__ = ("_audience", "_claims", "_kid", "_names", "_resolved")

    def __init__(self, genuine: Genuine, names: tuple[str, ...]) -> None:
        self._claims, self._kid = genuine
        self._resolved: ResolvedAccessToken | None = None  # used while the client's snapshot is the same object
        self._names = names
        self._audience: Audience | None = None  # the last audience that resolved this token

    @property
    def client_id(self) -> str:
        """The client that the token was issued to."""
        return self._claims.client_id

    def lookup_names(self, audience: Audience | None) -> tuple[str, ...]:
        """Snapshots to prefetch: the token's own, plus its API and organization if this audience resolved it before."""
        # Prefetching for another audience would reveal, by timing, that the token is in use elsewhere.
        resolved = self._resolved
        return self._names if resolved is None or audience is not self._audience else self._names + resolved.names

    def resolve(self, found: Snapshots, audience: Audience | None, *, now: float) -> "ResolvedAccessToken | Verdict":
        """Resolve the client while the signing key is trusted.

        Returns the refusal for a key that is no longer trusted, an unknown client or a token for another audience.
        """
        keys = found.get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot) or not keyring(keys).is_believed(self._kid, now=now):
            return SIGNATURE_INVALID
        return self.resolve_client(found, audience)

    def resolve_client(self, found: Snapshots, audience: Audience | None) -> "ResolvedAccessToken | Verdict":
        """Resolve the client; the caller has just checked that the signing key is trusted.

        Returns NOT_FOUND for an unknown client or a token for another audience.
        """
        client_at, resolved = self._names[1], self._resolved
        client = found.get(client_at)
        if not isinstance(client, ClientSnapshot):
            return NOT_FOUND
        if resolved is None or resolved.client() is not client:
            grant = grant_of(self._claims, client, audience)
            if grant is None:
                return NOT_FOUND
            resolved = self._resolved = ResolvedAccessToken(self._claims, client_at, client, grant)
        elif not resolved.is_for(audience):
            return NOT_FOUND
        self._audience = audience
        return resolved


class ResolvedAccessToken:
    """A genuine token with its client and the client's grant at the token's API.

    The reference to the client's snapshot is weak: a snapshot may be large, and each change of a client makes another.
    """

    __slots__ = (
        "_api",
        "_audience",
        "_cached_verdict",
        "_client_at",
        "_grant",
        "_organization",
        "_principal",
        "claims",
        "client",
        "names",
    )

    stale_digest = None

    def __init__(self, claims: Claims, client_at: str, client: ClientSnapshot, grant: GrantFacts) -> None:
        self.claims = claims
        self.client = ref(client)
        self._client_at = client_at
        self._grant = grant
        self._audience = Audience(grant.api_id, client.environment)
        self._api: ApiSnapshot | None = None
        self._organization: OrganizationSnapshot | None = None
        self._principal: Principal | None = None
        self._cached_verdict: CachedVerdict | None = None
        self.names = (api_name(grant.api_id), organization_name(client.organization_id))

    def is_for(self, audience: Audience | None) -> bool:
        """Whether the token is for the caller's API and environment; without an audience it asks about itself."""
        return audience is None or audience == self._audience

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:  # noqa: ARG002  # the signature that all types share
        """The verdict on a call. An allowed one may be cached and reused, as ``CachedVerdict`` tells."""
        api_at, organization_at = self.names
        api, organization = found.get(api_at), found.get(organization_at)
        cached = self._cached_verdict
        if cached is not None and cached.applies_to(api, organization, call.scopes, now=now):
            return cached.verdict
        client = found.get(self._client_at)
        if not isinstance(api, ApiSnapshot) or not isinstance(organization, OrganizationSnapshot):
            return NOT_FOUND
        if not isinstance(client, ClientSnapshot):
            return NOT_FOUND
        principal = self._principal_of(client, api, organization)
        verdict = decide(self.claims, principal, client, api, organization, call=call, now=now)
        self._cached_verdict = cache_verdict(
            verdict, api, organization, client.networks, begins=-inf, ends=self.claims.exp
        )
        return verdict

    def _principal_of(self, client: ClientSnapshot, api: ApiSnapshot, organization: OrganizationSnapshot) -> Principal:
        """The token's principal, built again only when the API's or the organization's snapshot is replaced."""
        if self._principal is None or self._api is not api or self._organization is not organization:
            self._principal = principal_of(self.claims, client, self._grant, api, organization)
            self._api, self._organization = api, organization
        return self._principal


_CACHE: DigestCache[AccessToken] = DigestCache(20_000)


def parse_access_token(text: str) -> AccessToken | UnverifiedTokenCredential | Verdict | None:
    """Parse a text as an access token.

    Returns None for a text that is no JWT, and a verdict for a JWT that is no access token of ours. A token whose
    signature this process has checked comes from the digest cache.
    """
    if text.count(".") != 2 or not text.isascii():
        return None
    cache_key = keyed_digest(text.encode())
    token = _CACHE.get(cache_key)
    if token is not None:
        return token
    unverified = read(text, issuer=settings.PUBLIC_URL)
    if isinstance(unverified, TokenFlaw):
        return _REFUSALS[unverified]
    # We sign only for well-formed client ids, and any other text must not become part of a snapshot's name.
    return (
        UnverifiedTokenCredential(cache_key, unverified)
        if is_client_id(unverified.claims.client_id)
        else SIGNATURE_INVALID
    )
