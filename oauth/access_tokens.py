"""Access tokens as a kind of credential: from a JWT to its client, API and organization.

The signature is checked once per token and process; what was checked is known again. All else is asked on every call:
whether the key that signed is still believed, the clock, and what client, API and organization say now. What a text
claims of itself before its signature is checked only tells which snapshots to read.
"""

from django.conf import settings

from keys.validation.kinds import Snapshots
from keys.validation.memo import Memo, mark_of
from keys.validation.names import SIGNING_KEYS, api_name, client_name, organization_name
from keys.validation.shapes import (
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
from oauth.ids import is_client_id
from oauth.keyring import keyring
from oauth.tokens import Claims, Flaw, Genuine, Presented, check, read
from oauth.verdict import decide, grant_of, principal_of

SIGNATURE_INVALID = Verdict(Code.SIGNATURE_INVALID)
_REFUSALS = {
    Flaw.MALFORMED: MALFORMED,
    Flaw.ISSUER_UNKNOWN: Verdict(Code.ISSUER_UNKNOWN),
    Flaw.SIGNATURE_INVALID: SIGNATURE_INVALID,
}


class UncheckedToken:
    """A text that says it is an access token of ours."""

    __slots__ = ("_mark", "_presented", "names")

    def __init__(self, mark: bytes, presented: Presented) -> None:
        self._mark = mark
        self._presented = presented
        self.names = _names(presented.claims.client_id)

    @property
    def client_id(self) -> str:
        """Whose token it says it is."""
        return self._presented.claims.client_id

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownAccessToken | Verdict":
        """The token, if we signed it, and unless it is for another audience."""
        keys = found.get(SIGNING_KEYS)
        if not isinstance(keys, SigningKeysSnapshot):
            return SIGNATURE_INVALID
        genuine = check(self._presented, keyring(keys).verifiers, now=now)
        if isinstance(genuine, Flaw):
            return SIGNATURE_INVALID
        token = AccessToken(genuine)
        _MEMO.remember(self._mark, token)
        return token.find(found, audience, now=now)


class AccessToken:
    """A token whose signature this process has checked."""

    __slots__ = ("_claims", "_kid", "_known", "names")

    def __init__(self, genuine: Genuine) -> None:
        self._claims, self._kid = genuine
        self._known: KnownAccessToken | None = None  # good for the one snapshot of the client that it was made of
        self.names = _names(self._claims.client_id)

    @property
    def client_id(self) -> str:
        """Whose token it is."""
        return self._claims.client_id

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownAccessToken | Verdict":
        """The token with its client, while its key is believed, and unless it is for another audience."""
        keys, client = found.get(SIGNING_KEYS), found.get(self.names[1])
        if not isinstance(keys, SigningKeysSnapshot) or not keyring(keys).is_believed(self._kid, now=now):
            return SIGNATURE_INVALID
        known = self._known
        if known is not None and known.client is client:
            return known if known.is_for(audience) else NOT_FOUND
        if not isinstance(client, ClientSnapshot):
            return NOT_FOUND
        grant = grant_of(self._claims, client, audience)
        if grant is None:
            return NOT_FOUND
        known = self._known = KnownAccessToken(self._claims, client, grant)
        self.names = (*self.names[:2], *known.names)  # the next time all is read at once
        return known


class KnownAccessToken:
    """A genuine token, its client, and what that may do where the token is for."""

    __slots__ = ("_api", "_grant", "_lasting", "_organization", "_principal", "claims", "client", "names")

    outdated = None

    def __init__(self, claims: Claims, client: ClientSnapshot, grant: GrantFacts) -> None:
        self.claims = claims
        self.client = client
        self._grant = grant
        self._api: ApiSnapshot | None = None
        self._organization: OrganizationSnapshot | None = None
        self._principal: Principal | None = None
        self._lasting: Lasting | None = None
        self.names = (api_name(grant.api_id), organization_name(client.organization_id))

    def is_for(self, audience: Audience | None) -> bool:
        """Whether it is for the API and environment of whoever asks."""
        if audience is None:
            return True
        return audience.api_id == self._grant.api_id and audience.environment == self.client.environment

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:  # noqa: ARG002  # of all kinds
        """The verdict."""
        api_at, organization_at = self.names
        api, organization = found.get(api_at), found.get(organization_at)
        known = self._lasting
        if known is not None and known.holds(api, organization, call.scopes, now=now):
            return known.verdict
        if not isinstance(api, ApiSnapshot) or not isinstance(organization, OrganizationSnapshot):
            return NOT_FOUND
        principal, client = self._principal_of(api, organization), self.client
        verdict = decide(self.claims, principal, client, api, organization, call=call, now=now)
        self._lasting = lasting(verdict, api, organization, client.networks, ends=(self.claims.exp,))
        return verdict

    def _principal_of(self, api: ApiSnapshot, organization: OrganizationSnapshot) -> Principal:
        """Who it stands for, made once of the same snapshots."""
        if self._principal is None or self._api is not api or self._organization is not organization:
            self._principal = principal_of(self.claims, self.client, self._grant, api, organization)
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


def _names(client_id: str) -> tuple[str, ...]:
    return SIGNING_KEYS, client_name(client_id)
