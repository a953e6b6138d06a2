"""What the engine reads, is asked and says: frozen values. A snapshot holds facts as they are stored, never a verdict.

What belongs to an organization or an API stands in its own snapshot alone. Instants are seconds since the epoch.
None of them can be part of a cycle: the garbage collector need not walk a hundred thousand of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from sys import intern

from msgspec import Struct
from msgspec.structs import force_setattr

NO_METADATA = b"{}"


class Code(StrEnum):
    """Why a call is let through or refused: a closed set."""

    __hash__ = str.__hash__  # an enum's own is in Python, and codes are counted on every call

    VALID = "VALID"
    MALFORMED = "MALFORMED"
    NOT_FOUND = "NOT_FOUND"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    DISABLED = "DISABLED"
    SUPERSEDED = "SUPERSEDED"
    IP_DENIED = "IP_DENIED"
    INSUFFICIENT_SCOPE = "INSUFFICIENT_SCOPE"
    RULE_DENIED = "RULE_DENIED"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    ORGANIZATION_SUSPENDED = "ORGANIZATION_SUSPENDED"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    ISSUER_UNKNOWN = "ISSUER_UNKNOWN"
    COMPROMISED = "COMPROMISED"


class Limit(Struct, frozen=True, gc=False):
    """``limit`` requests per ``window_s`` seconds, under a name.

    ``owner`` says whose requests count together. It is empty in a snapshot, where nobody has made a request yet.
    """

    name: str
    limit: int
    window_s: int
    owner: str = ""


class Limits(Struct, frozen=True, gc=False):
    """All limits on one credential's calls to one API; no two have the same owner, limit and window.

    A process keeps tokens under ``holder``. A limit with another owner is shared with other holders.
    """

    holder: str
    organization_id: str
    each: tuple[Limit, ...]


class Quota(Struct, frozen=True, gc=False):
    """``limit`` uses in all (refill ``none``), or in each ``day`` or ``month`` of UTC."""

    limit: int
    refill: str


class KeySnapshot(Struct, frozen=True, kw_only=True, gc=False, tag="key"):
    """``secret:<digest>``: an API key, as one of its secrets opens it."""

    digest: bytes
    secret_id: str
    secret_ends_at: float | None
    key_id: str
    name: str
    environment: str
    organization_id: str
    api_id: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    rate_limits: tuple[Limit, ...]
    quota: Quota | None
    metadata: bytes  # JSON, as answers show it
    operator_metadata: bytes  # the same
    not_before: float | None
    expires_at: float | None
    is_disabled: bool
    is_revoked: bool
    is_compromised: bool

    def __post_init__(self) -> None:
        """Hold what many keys have alike in one object for all of them: a quarter of the memory of 100,000 keys."""
        force_setattr(self, "environment", intern(self.environment))
        force_setattr(self, "organization_id", intern(self.organization_id))
        force_setattr(self, "api_id", intern(self.api_id))
        force_setattr(self, "scopes", _shared(self.scopes))
        if self.metadata == NO_METADATA:
            force_setattr(self, "metadata", NO_METADATA)
        if self.operator_metadata == NO_METADATA:
            force_setattr(self, "operator_metadata", NO_METADATA)


@lru_cache(maxsize=4096)
def _shared(scopes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(intern, scopes))  # one text for each scope, however many keys choose differently among them


class ApiSecretSnapshot(Struct, frozen=True, kw_only=True, gc=False, tag="api_secret"):
    """``apisecret:<digest>``: what a backend or gateway presents."""

    digest: bytes
    secret_id: str
    api_id: str
    environment: str
    ends_at: float | None
    is_disabled: bool
    is_revoked: bool


class ApiSnapshot(Struct, frozen=True, kw_only=True, weakref=True, tag="api"):
    """``api:<id>``: a protected resource server."""

    api_id: str
    identifier: str
    scopes: frozenset[str]
    rate_limits: tuple[Limit, ...]  # for credentials without limits of their own
    max_rate_limits: tuple[Limit, ...]  # for every credential, besides those
    signing_algorithm: str
    token_lifetime_s: int
    is_disabled: bool


class OrganizationSnapshot(Struct, frozen=True, kw_only=True, gc=False, tag="organization"):
    """``org:<id>``: the consumer that owns credentials."""

    organization_id: str
    name: str
    external_id: str | None
    metadata: bytes  # JSON, as answers show it; the operator's
    is_suspended: bool


class ClientSecretFacts(Struct, frozen=True):
    """One secret of an OAuth client, by its digest."""

    secret_id: str
    digest: bytes
    ends_at: float | None


class GrantFacts(Struct, frozen=True):
    """What an OAuth client may have at one API; an API's identifier never changes, so it may stand here."""

    api_id: str
    identifier: str
    scopes: tuple[str, ...]


class ClientSnapshot(Struct, frozen=True, kw_only=True, weakref=True, tag="client"):
    """``client:<id>``: an OAuth client, how it authenticates, and which of its access tokens are revoked.

    A token of an earlier ``generation`` than the client's is revoked, and so is one whose place in a
    status list stands here: a place is given once, and by it verifiers offline tell tokens apart, too.
    """

    client_id: str
    name: str
    environment: str
    organization_id: str
    secrets: tuple[ClientSecretFacts, ...]
    public_keys: bytes  # JSON, a list of JWKs; empty for a client that authenticates by secrets
    grants: tuple[GrantFacts, ...]
    networks: tuple[str, ...]
    rate_limits: tuple[Limit, ...]
    metadata: bytes  # JSON, as answers show it
    operator_metadata: bytes  # the same
    token_lifetime_s: int | None
    generation: int
    revoked_places: frozenset[str]  # each as it ends a ``jti``
    is_disabled: bool
    is_revoked: bool
    is_compromised: bool

    def at(self, api_id: str) -> str:
        """Name the client's calls to one API, which the limits of that API count apart from other calls."""
        return f"{self.client_id}@{api_id}"


class SigningKeyFacts(Struct, frozen=True, kw_only=True):
    """A key that signs access tokens between two instants, and is published until a third."""

    kid: str
    algorithm: str
    public_key: bytes  # JSON, a JWK
    private_key: str  # encrypted under ENCRYPTION_KEYS, bound to the kid
    signs_from: float
    signs_until: float | None
    kept_until: float | None


class SigningKeysSnapshot(Struct, frozen=True, tag="signing_keys"):
    """``signing-keys:all``: every signing key that is not retired."""

    keys: tuple[SigningKeyFacts, ...]


Snapshot = KeySnapshot | ApiSecretSnapshot | ApiSnapshot | OrganizationSnapshot | ClientSnapshot | SigningKeysSnapshot


class Audience(Struct, frozen=True, gc=False):
    """The API and environment that a credential must be for: those of the backend that asks."""

    api_id: str
    environment: str


class Call(Struct, frozen=True, gc=False):
    """The call that a credential is to be good for, as the backend tells it."""

    scopes: frozenset[str] = frozenset()
    address: str | None = None  # in canonical form
    method: str | None = None
    path: str | None = None
    cost: int = 1
    agent: bytes | None = None  # what the consumer's program calls itself, where it asks itself


class Principal(Struct, frozen=True, kw_only=True, gc=False):
    """Who a credential stands for, told only to whoever presented the right secret.

    ``secret_id`` is what usage is counted under: a token has no secret, and counts for its client as a whole.
    ``limits`` is None where nothing limits the rate of calls.
    """

    type: str
    credential_id: str
    secret_id: str
    environment: str
    organization_id: str
    scopes: tuple[str, ...]
    limits: Limits | None
    quota: Quota | None = None
    shown: bytes  # JSON members: what every answer shows of it
    shown_if_valid: bytes  # JSON members: what is shown besides, where the call is let through
    introspected: Mapping[str, object]  # the same in the words of RFC 7662 §2.2


class Verdict(Struct, frozen=True, gc=False):
    """The answer to "may this credential make this call"; ``principal`` only where the secret itself was right."""

    code: Code
    principal: Principal | None = None
    missing_scopes: tuple[str, ...] = ()
