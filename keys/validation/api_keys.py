"""API keys as a credential type, and the API secrets that callers authenticate with: from text to snapshot."""

import hmac
from collections.abc import Sequence
from math import inf
from typing import TypeVar

from keys.rules.secret import MAX_SECRET_CHARS, SecretKind, kind_of
from keys.validation.credential_types import Period, Snapshots
from keys.validation.digest_cache import DigestCache, keyed_digest
from keys.validation.peppers import StaleDigest, candidate_digests
from keys.validation.snapshot_names import api_name, api_secret_name, organization_name, secret_name
from keys.validation.store.turns import Owner, stranger_at
from keys.validation.types import (
    ApiSecretSnapshot,
    ApiSnapshot,
    Audience,
    Call,
    KeySnapshot,
    OrganizationSnapshot,
    Verdict,
)
from keys.validation.verdict import NOT_FOUND, decide, is_for

SecretSnapshot = TypeVar("SecretSnapshot", KeySnapshot, ApiSecretSnapshot)


class UnknownCaller(Exception):
    """The presented text is no API secret, or the API secret does not work now."""


class ApiKeyCredential:
    """A well-formed API key, not yet looked up."""

    __slots__ = ("_digests", "names")

    def __init__(self, digests: Sequence[bytes]) -> None:
        self._digests = {secret_name(digest): digest for digest in digests}
        self.names = tuple(self._digests)

    def resolve(self, found: Snapshots, audience: Audience | None, _now: float) -> "ResolvedApiKey | Verdict":
        """Return the found key, or NOT_FOUND if no key with this secret exists for this audience."""
        key = _right(KeySnapshot, self._digests, found)
        if key is None or not is_for(key, audience):
            return NOT_FOUND
        return ResolvedApiKey(self, key, audience, _stale_digest("secret", key, self._digests))


class ResolvedApiKey:
    """An API key whose snapshot was found."""

    __slots__ = ("_audience", "_key", "names", "parsed", "stale_digest")

    def __init__(
        self, parsed: ApiKeyCredential, key: KeySnapshot, audience: Audience | None, stale_digest: StaleDigest | None
    ) -> None:
        self.parsed = parsed
        self.names = (api_name(key.api_id), organization_name(key.organization_id))
        self.stale_digest = stale_digest  # set if the key's secret is stored under an older pepper
        self._key = key
        self._audience = audience

    @property
    def reusable(self) -> Period | None:
        """While the key and its secret are in force; None for a key with networks, because addresses differ by call."""
        key = self._key
        if key.networks:
            return None
        begins = -inf if key.not_before is None else key.not_before
        return Period(begins, min(inf if end is None else end for end in (key.expires_at, key.secret_ends_at)))

    def decide(self, found: Snapshots, call: Call, now: float) -> Verdict:
        """Return the verdict on the call."""
        api, organization = map(found.get, self.names)
        if not isinstance(api, ApiSnapshot) or not isinstance(organization, OrganizationSnapshot):
            return NOT_FOUND
        return decide(self._key, api, organization, call, self._audience, now=now)


class PresentedApiSecret:
    """A well-formed API secret, not yet looked up."""

    __slots__ = ("_cache_key", "_digests", "_resolved", "names")

    def __init__(self, cache_key: bytes, digests: Sequence[bytes]) -> None:
        self._cache_key = cache_key
        self._digests = {api_secret_name(digest): digest for digest in digests}
        self._resolved: ResolvedApiSecret | None = None
        self.names = tuple(self._digests)

    def owner_at(self, address: str | None) -> Owner:
        """Return the owner whose share of the database threads to use.

        It is the API if the secret was found before, else a stranger. All strangers have one share together.
        """
        return stranger_at(address) if self._resolved is None else self._resolved.owner

    @property
    def audience(self) -> Audience:
        """The audience of the last successful lookup. Use it only to choose what to prefetch, never to decide."""
        return _NOBODY if self._resolved is None else self._resolved.audience

    def resolve(self, found: Snapshots) -> "ResolvedApiSecret":
        """Return the found API secret; raises UnknownCaller."""
        resolved = self._resolved
        if resolved is not None and found.get(resolved.secret_at) is resolved.secret:
            return resolved
        secret = _right(ApiSecretSnapshot, self._digests, found)
        if secret is None:
            raise UnknownCaller
        if resolved is None or resolved.secret is not secret:
            resolved = self._resolved = ResolvedApiSecret(secret, _stale_digest("apisecret", secret, self._digests))
            _CACHE.remember(self._cache_key, self)
        return resolved


class ResolvedApiSecret:
    """An API secret whose snapshot was found."""

    __slots__ = ("api_at", "audience", "owner", "secret", "secret_at", "stale_digest")

    def __init__(self, secret: ApiSecretSnapshot, stale_digest: StaleDigest | None) -> None:
        self.secret = secret
        self.secret_at = api_secret_name(secret.digest)
        self.audience = Audience(secret.api_id, secret.environment)
        self.api_at = api_name(secret.api_id)
        self.owner = Owner(secret.api_id)
        self.stale_digest = stale_digest  # set if the secret is stored under an older pepper


_NOBODY = Audience("", "")
_KINDS_OF_KEYS = (SecretKind.LIVE, SecretKind.TEST)
_CACHE: DigestCache[PresentedApiSecret] = DigestCache(20_000)


def parse_api_key(text: str) -> ApiKeyCredential | None:
    """Parse the text as an API key. None for any other text, a secret of another kind among them."""
    return ApiKeyCredential(candidate_digests(text)) if kind_of(text) in _KINDS_OF_KEYS else None


def parse_api_secret(text: str) -> PresentedApiSecret:
    """Parse the text as an API secret, or return what was found under it before; raises UnknownCaller.

    Without the cache, a warm validation takes 14 % more CPU time (``make bench``).
    """
    if len(text) > MAX_SECRET_CHARS or not text.isascii():
        raise UnknownCaller
    cache_key = keyed_digest(text.encode())
    cached = _CACHE.get(cache_key)
    if cached is not None:
        return cached
    if kind_of(text) is not SecretKind.API:
        raise UnknownCaller
    return PresentedApiSecret(cache_key, candidate_digests(text))


def _stale_digest(
    name_kind: str, snapshot: KeySnapshot | ApiSecretSnapshot, digests: dict[str, bytes]
) -> StaleDigest | None:
    if len(digests) == 1:
        return None
    newest = next(iter(digests.values()))
    return None if snapshot.digest == newest else StaleDigest(name_kind, snapshot.secret_id, snapshot.digest, newest)


def _right(shape: type[SecretSnapshot], digests: dict[str, bytes], found: Snapshots) -> SecretSnapshot | None:
    """Return the snapshot whose digest equals the presented secret's digest, or None."""
    for name, presented in digests.items():
        snapshot = found.get(name)
        if isinstance(snapshot, shape) and hmac.compare_digest(snapshot.digest, presented):
            return snapshot
    return None
