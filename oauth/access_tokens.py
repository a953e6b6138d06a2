"""The credential type for access tokens: from a JWT to its client, API and organization.

The signature is checked once: a token that was resolved is kept as an ``AccessToken``. The rest is checked for each
call: whether the signing key is still trusted, the expiry, and the current state of the client, the API and the
organization. Before the signature is checked, the token's claims only select the snapshots to read.
"""

from math import inf

from django.conf import settings

from keys.validation.credential_types import Period, Snapshots
from keys.validation.snapshot_names import SIGNING_KEYS, api_name, client_name, organization_name
from keys.validation.types import (
    ApiSnapshot,
    Audience,
    Call,
    ClientSnapshot,
    Code,
    GrantFacts,
    OrganizationSnapshot,
    SigningKeysSnapshot,
    Verdict,
)
from keys.validation.verdict import MALFORMED, NOT_FOUND
from oauth.keyring import keyring
from oauth.protocol.access_token import Genuine, TokenFlaw, UnverifiedToken, check, read
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

    __slots__ = ("_unverified", "names")

    def __init__(self, unverified: UnverifiedToken) -> None:
        self._unverified = unverified
        self.names = (SIGNING_KEYS, client_name(unverified.claims.client_id))

    @property
    def client_id(self) -> str:
        """The client that the token names; not verified."""
        return self._unverified.claims.client_id

    def resolve(self, found: Snapshots, audience: Audience | None, now: float) -> "ResolvedAccessToken | Verdict":
        """Check the signature and resolve the client.

        Returns the refusal for a wrong signature, an unknown client or a token for another audience.
        """
        keys = found.get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            return SIGNATURE_INVALID
        genuine = check(self._unverified, keyring(keys).verifiers, now=now)
        if isinstance(genuine, TokenFlaw):
            return SIGNATURE_INVALID
        return AccessToken(genuine, self.names).resolve(found, audience, now)


class AccessToken:
    """A token whose signature this process has checked."""

    __slots__ = ("_kid", "claims", "names")

    def __init__(self, genuine: Genuine, names: tuple[str, ...]) -> None:
        self.claims, self._kid = genuine
        self.names = names

    def resolve(self, found: Snapshots, audience: Audience | None, now: float) -> "ResolvedAccessToken | Verdict":
        """Resolve the client while the signing key is trusted.

        Returns the refusal for a key that is no longer trusted, an unknown client or a token for another audience.
        """
        keys, client = map(found.get, self.names)
        if not isinstance(keys, SigningKeysSnapshot) or not keyring(keys).is_believed(self._kid, now=now):
            return SIGNATURE_INVALID
        if not isinstance(client, ClientSnapshot):
            return NOT_FOUND
        grant = grant_of(self.claims, client, audience)
        return NOT_FOUND if grant is None else ResolvedAccessToken(self, client, grant)


class ResolvedAccessToken:
    """A genuine token with its client and the client's grant at the token's API."""

    __slots__ = ("_client", "_grant", "names", "parsed")

    stale_digest = None

    def __init__(self, parsed: AccessToken, client: ClientSnapshot, grant: GrantFacts) -> None:
        self.parsed = parsed
        self.names = (api_name(grant.api_id), organization_name(client.organization_id))
        self._client = client
        self._grant = grant

    @property
    def reusable(self) -> Period | None:
        """Until the token expires; None for a client with networks, because addresses differ by call."""
        return None if self._client.networks else Period(-inf, self.parsed.claims.exp)

    def decide(self, found: Snapshots, call: Call, now: float) -> Verdict:
        """Return the verdict on the call."""
        api, organization = map(found.get, self.names)
        if not isinstance(api, ApiSnapshot) or not isinstance(organization, OrganizationSnapshot):
            return NOT_FOUND
        token, client = self.parsed.claims, self._client
        principal = principal_of(token, client, self._grant, api, organization)
        return decide(token, principal, client, api, organization, call=call, now=now)


def parse_access_token(text: str) -> UnverifiedTokenCredential | Verdict | None:
    """Parse a text as an access token.

    Returns None for a text that is no JWT, and a verdict for a JWT that is no access token of ours.
    """
    if text.count(".") != 2 or not text.isascii():
        return None
    unverified = read(text, issuer=settings.PUBLIC_URL)
    if isinstance(unverified, TokenFlaw):
        return _REFUSALS[unverified]
    # We sign only for well-formed client ids, and any other text must not become part of a snapshot's name.
    return UnverifiedTokenCredential(unverified) if is_client_id(unverified.claims.client_id) else SIGNATURE_INVALID
