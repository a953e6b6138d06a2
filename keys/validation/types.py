"""The values that the engine reads, receives and returns: immutable. A snapshot holds stored facts, never a verdict.

Facts of an organization or an API stand in its own snapshot only. Instants are seconds since the epoch.
Most are kept out of garbage collection: none can be part of a cycle, and a process may hold 100,000 of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from sys import intern
from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import force_setattr

NO_METADATA = b"{}"


class Code(StrEnum):
    """Why a call is allowed or refused: a closed set."""

    __hash__ = str.__hash__  # an enum's own __hash__ is written in Python, and codes are hashed on every call

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

    ``owner`` says whose requests count together. It is empty in a snapshot, and set when a principal is built.
    """

    name: str
    limit: int
    window_s: int
    owner: str = ""


class Limits(Struct, frozen=True, gc=False):
    """All limits on one credential's calls to one API; no two have the same owner, limit and window.

    A process keeps its tokens for these limits under ``holder``. A limit whose owner is not the holder is shared by
    several holders.
    """

    holder: str
    organization_id: str
    each: tuple[Limit, ...]


class Quota(Struct, frozen=True, gc=False):
    """``limit`` uses in all (refill ``none``), or per UTC ``day`` or ``month``."""

    limit: int
    refill: str


class KeySnapshot(Struct, frozen=True, kw_only=True, gc=False, tag="key"):
    """``secret:<digest>``: an API key, found by one of its secrets."""

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
    metadata: bytes  # JSON, as responses show it
    operator_metadata: bytes  # JSON, as responses show it
    not_before: float | None
    expires_at: float | None
    is_disabled: bool
    is_revoked: bool
    is_compromised: bool

    def __post_init__(self) -> None:
        """Share equal values among keys: it saves a quarter of the memory of 100,000 keys."""
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
    """Return one tuple for all keys with these scopes, and one string for each scope.

    It saves nearly a fifth of the memory of 50,000 keys (``tests.bench.memory``).
    """
    return tuple(map(intern, scopes))


class ApiSecretSnapshot(Struct, frozen=True, kw_only=True, gc=False, tag="api_secret"):
    """``apisecret:<digest>``: an API secret, which a backend or gateway presents."""

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
    max_rate_limits: tuple[Limit, ...]  # for every credential, in addition to its other limits
    signing_algorithm: str
    token_lifetime_s: int
    is_disabled: bool


class OrganizationSnapshot(Struct, frozen=True, kw_only=True, gc=False, tag="organization"):
    """``org:<id>``: the consumer organization that owns credentials."""

    organization_id: str
    name: str
    external_id: str | None
    metadata: bytes  # JSON, as responses show it; set by the operator
    is_suspended: bool


class ClientSecretFacts(Struct, frozen=True):
    """One secret of an OAuth client, by its digest."""

    secret_id: str
    digest: bytes
    ends_at: float | None


class GrantFacts(Struct, frozen=True):
    """The scopes an OAuth client may request at one API.

    The API's identifier may be copied here because it never changes.
    """

    api_id: str
    identifier: str
    scopes: tuple[str, ...]


class ClientSnapshot(Struct, frozen=True, kw_only=True, weakref=True, tag="client"):
    """``client:<id>``: an OAuth client, how it authenticates, and which of its access tokens are revoked.

    A token is revoked if its ``generation`` is lower than the client's, or if ``revoked_indexes`` contains its status
    list index. An index is never given to a second token. Offline verifiers use the same index.
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
    metadata: bytes  # JSON, as responses show it
    operator_metadata: bytes  # JSON, as responses show it
    token_lifetime_s: int | None
    generation: int
    revoked_indexes: frozenset[str]  # each as it ends a ``jti``
    is_disabled: bool
    is_revoked: bool
    is_compromised: bool

    def at(self, api_id: str) -> str:
        """Name the client's calls to one API. The limits of that API count them apart from the client's other calls."""
        return f"{self.client_id}@{api_id}"


class SigningKeyFacts(Struct, frozen=True, kw_only=True):
    """A key that signs access tokens from ``signs_from`` until ``signs_until``, published until ``kept_until``."""

    kid: str
    algorithm: str
    public_key: bytes  # JSON, a JWK
    private_key: str  # encrypted under ENCRYPTION_KEYS, bound to the kid
    signs_from: float
    signs_until: float | None
    kept_until: float | None


class SigningKeysSnapshot(Struct, frozen=True, weakref=True, tag="signing_keys"):
    """``signing-keys:all``: every signing key that is not retired."""

    keys: tuple[SigningKeyFacts, ...]


Snapshot = KeySnapshot | ApiSecretSnapshot | ApiSnapshot | OrganizationSnapshot | ClientSnapshot | SigningKeysSnapshot


class Audience(Struct, frozen=True, gc=False):
    """The API and environment that a credential must be for: the ones of the calling backend."""

    api_id: str
    environment: str


class Call(Struct, frozen=True, gc=False):
    """The call that a credential is presented for, as the backend describes it."""

    scopes: frozenset[str] = frozenset()
    address: str | None = None  # canonical form
    method: str | None = None
    path: str | None = None
    cost: int = 1
    agent: bytes | None = None  # User-Agent of the credential's holder, set by whoami only


class Principal(Struct, frozen=True, kw_only=True, gc=False):
    """The owner of a credential, and its limits. Shown only to a caller who presented the right secret.

    Usage is counted under ``secret_id``. A token has no secret: its usage is counted for the client as a whole.
    ``limits`` is None if the call rate is unlimited.
    """

    credential_id: str
    secret_id: str
    organization_id: str
    scopes: tuple[str, ...]
    limits: Limits | None
    quota: Quota | None = None
    shown: bytes  # JSON members that every response shows
    shown_if_valid: bytes  # JSON members that only the response to an allowed call shows
    introspected: Mapping[str, object]  # the same facts as members of RFC 7662 §2.2


class Verdict(Struct, frozen=True, gc=False):
    """Whether a credential may make a call, and why not. ``principal`` is set only if the secret itself was right.

    A verdict that is known early stands in for the credential: it needs no snapshot and decides as itself.
    """

    code: Code
    principal: Principal | None = None
    missing_scopes: tuple[str, ...] = ()

    names: ClassVar[tuple[str, ...]] = ()
    stale_digest: ClassVar[None] = None

    def lookup_names(self, *_: object) -> tuple[str, ...]:
        return ()

    def resolve(self, *_: object) -> Self:
        return self

    def decide(self, *_: object) -> Self:
        return self
