"""Access tokens as a kind of credential: from a JWT to its client, API and organization.

The signature is checked once per token and process; what was checked is known again. All else is asked on every call:
whether the key that signed is still believed, the clock, and what client, API and organization say now. What a text
claims of itself before its signature is checked only tells which snapshots to read.
"""

from math import inf
from weakref import ref

from django.conf import settings

from keys.validation.credential_types import Snapshots
from keys.validation.digest_cache import Memo, mark_of
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
from keys.validation.verdict import MALFORMED, NOT_FOUND, Lasting, lasting
from oauth.keyring import keyring
from oauth.protocol.access_token import Claims, Flaw, Genuine, Presented, check, read
from oauth.protocol.ids import is_client_id
from oauth.protocol.token_verdict import decide, grant_of, principal_of

SIGNATURE_INVALID = Verdict(Code.SIGNATURE_INVALID)
_REFUSALS = {
    Flaw.MALFORMED: MALFORMED,
    Flaw.ISSUER_UNKNOWN: Verdict(Code.ISSUER_UNKNOWN),
    Flaw.SIGNATURE_INVALID: SIGNATURE_INVALID,
}


class UncheckedToken:
    """A text that says it is an access token of ours."""

    __slots__ = ("_mark", "_names", "_presented")

    def __init__(self, mark: bytes, presented: Presented) -> None:
        self._mark = mark
        self._presented = presented
        self._names = (SIGNING_KEYS, client_name(presented.claims.client_id))

    @property
    def client_id(self) -> str:
        """Whose token it says it is."""
        return self._presented.claims.client_id

    def names_for(self, _audience: Audience | None) -> tuple[str, ...]:
        """The keys and the client that it names: where they lead, nobody has been led yet."""
        return self._names

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownAccessToken | Verdict":
        """The token, if we signed it, and unless it is for another audience."""
        keys = found.get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            return SIGNATURE_INVALID
        genuine = check(self._presented, keyring(keys).verifiers, now=now)
        if isinstance(genuine, Flaw):
            return SIGNATURE_INVALID
        token = AccessToken(genuine, self._names)
        _MEMO.remember(self._mark, token)
        return token.known(found, audience)


class AccessToken:
    """A token whose signature this process has checked."""

    __slots__ = ("_audience", "_claims", "_kid", "_known", "_names")

    def __init__(self, genuine: Genuine, names: tuple[str, ...]) -> None:
        self._claims, self._kid = genuine
        self._known: KnownAccessToken | None = None  # good for the one snapshot of the client that it was made of
        self._names = names
        self._audience: Audience | None = None  # who was led on last

    @property
    def client_id(self) -> str:
        """Whose token it is."""
        return self._claims.client_id

    def names_for(self, audience: Audience | None) -> tuple[str, ...]:
        """Its own, and what it leads to where the same audience has been led there."""
        known = self._known
        return self._names if known is None or audience is not self._audience else self._names + known.names

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownAccessToken | Verdict":
        """The token with its client, while its key is believed, and unless it is for another audience."""
        keys = found.get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot) or not keyring(keys).is_believed(self._kid, now=now):
            return SIGNATURE_INVALID
        return self.known(found, audience)

    def known(self, found: Snapshots, audience: Audience | None) -> "KnownAccessToken | Verdict":
        """The token with its client, unless it is for another audience; its key has just been found to be believed."""
        client_at, known = self._names[1], self._known
        client = found.get(client_at)
        if not isinstance(client, ClientSnapshot):
            return NOT_FOUND
        if known is None or known.client() is not client:
            grant = grant_of(self._claims, client, audience)
            if grant is None:
                return NOT_FOUND
            known = self._known = KnownAccessToken(self._claims, client_at, client, grant)
        elif not known.is_for(audience):
            return NOT_FOUND
        self._audience = audience
        return known


class KnownAccessToken:
    """A genuine token, its client, and what that may do where the token is for.

    It does not keep the client's snapshot alive, which may be large, and of which there is one more after each change.
    """

    __slots__ = (
        "_api",
        "_audience",
        "_client_at",
        "_grant",
        "_lasting",
        "_organization",
        "_principal",
        "claims",
        "client",
        "names",
    )

    outdated = None

    def __init__(self, claims: Claims, client_at: str, client: ClientSnapshot, grant: GrantFacts) -> None:
        self.claims = claims
        self.client = ref(client)
        self._client_at = client_at
        self._grant = grant
        self._audience = Audience(grant.api_id, client.environment)
        self._api: ApiSnapshot | None = None
        self._organization: OrganizationSnapshot | None = None
        self._principal: Principal | None = None
        self._lasting: Lasting | None = None
        self.names = (api_name(grant.api_id), organization_name(client.organization_id))

    def is_for(self, audience: Audience | None) -> bool:
        """Whether it is for the API and environment of whoever asks."""
        return audience is None or audience == self._audience

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:  # noqa: ARG002  # of all kinds
        """The verdict."""
        api_at, organization_at = self.names
        api, organization = found.get(api_at), found.get(organization_at)
        known = self._lasting
        if known is not None and known.holds(api, organization, call.scopes, now=now):
            return known.verdict
        client = found.get(self._client_at)
        if not isinstance(api, ApiSnapshot) or not isinstance(organization, OrganizationSnapshot):
            return NOT_FOUND
        if not isinstance(client, ClientSnapshot):
            return NOT_FOUND
        principal = self._principal_of(client, api, organization)
        verdict = decide(self.claims, principal, client, api, organization, call=call, now=now)
        self._lasting = lasting(verdict, api, organization, client.networks, begins=-inf, ends=self.claims.exp)
        return verdict

    def _principal_of(self, client: ClientSnapshot, api: ApiSnapshot, organization: OrganizationSnapshot) -> Principal:
        """Who it stands for, made once of the same snapshots."""
        if self._principal is None or self._api is not api or self._organization is not organization:
            self._principal = principal_of(self.claims, client, self._grant, api, organization)
            self._api, self._organization = api, organization
        return self._principal


_MEMO: Memo[AccessToken] = Memo(20_000)


def recognise_access_token(text: str) -> AccessToken | UncheckedToken | Verdict | None:
    """The access token that the text spells, or says that it spells."""
    if text.count(".") != 2 or not text.isascii():
        return None
    mark = mark_of(text.encode())
    token = _MEMO.get(mark)
    if token is not None:
        return token
    presented = read(text, issuer=settings.PUBLIC_URL)
    if isinstance(presented, Flaw):
        return _REFUSALS[presented]
    # Other names are none of ours, whoever signed; and nothing else may become part of a snapshot's name.
    return UncheckedToken(mark, presented) if is_client_id(presented.claims.client_id) else SIGNATURE_INVALID
