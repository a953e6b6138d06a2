"""API keys as a credential type, and the API secrets that callers authenticate with: from text to snapshot.

A secret that was right once is kept in a cache under a keyed digest of its text. Its format is then not checked again,
and its pepper digests are not computed again.
"""

import hmac
from collections.abc import Sequence
from math import inf
from typing import TypeVar

from keys.rules.secret import MAX_SECRET_CHARS, Kind, kind_of
from keys.validation.credential_types import Snapshots
from keys.validation.digest_cache import Memo, mark_of
from keys.validation.peppers import Outdated, candidate_digests
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
from keys.validation.verdict import NOT_FOUND, Lasting, decide, is_for, lasting

SecretSnapshot = TypeVar("SecretSnapshot", KeySnapshot, ApiSecretSnapshot)


class UnknownCaller(Exception):
    """The presented text is no API secret, or the API secret does not work now."""


class ApiKeyCredential:
    """A well-formed API key, not yet looked up."""

    __slots__ = ("_audience", "_digests", "_known", "_mark", "_names")

    def __init__(self, mark: bytes, digests: Sequence[bytes]) -> None:
        self._mark = mark
        self._digests = {secret_name(digest): digest for digest in digests}
        self._known: KnownApiKey | None = None
        self._names = tuple(self._digests)
        self._audience: Audience | None = None  # the last audience for which the key was found

    def names_for(self, audience: Audience | None) -> tuple[str, ...]:
        """Snapshots to read first: the key's own, and its API and organization if this audience found it before."""
        known = self._known
        return self._names if known is None or audience is not self._audience else self._names + known.names

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownApiKey | Verdict":  # noqa: ARG002  # of all types
        """Return the found key, or NOT_FOUND if no key with this secret exists for this audience."""
        known = self._known
        if known is not None and found.get(known.secret_at) is known.key:  # compared with the secret before
            if not is_for(known.key, audience):
                return NOT_FOUND
            self._audience = audience
            return known
        key = _right(KeySnapshot, self._digests, found)
        if key is None or not is_for(key, audience):
            return NOT_FOUND
        if known is None or known.key is not key:
            known = self._known = KnownApiKey(key, _outdated("secret", key, self._digests))
            _MEMO.remember(self._mark, self)
        self._audience = audience
        return known


class KnownApiKey:
    """An API key whose snapshot was found."""

    __slots__ = ("_lasting", "key", "names", "outdated", "secret_at")

    def __init__(self, key: KeySnapshot, outdated: Outdated | None) -> None:
        self.key = key
        self.secret_at = secret_name(key.digest)
        self.names = (api_name(key.api_id), organization_name(key.organization_id))
        self.outdated = outdated  # set if the key's secret is stored under an older pepper
        self._lasting: Lasting | None = None

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """Return the cached verdict if it applies to this call; otherwise decide, and cache the verdict if possible."""
        api_at, organization_at = self.names
        api, organization = found.get(api_at), found.get(organization_at)
        known = self._lasting
        if known is not None and known.holds(api, organization, call.scopes, now=now):
            return known.verdict
        key = self.key
        if not isinstance(api, ApiSnapshot) or not isinstance(organization, OrganizationSnapshot):
            return NOT_FOUND
        verdict = decide(key, api, organization, call, audience, now=now)
        begins = -inf if key.not_before is None else key.not_before
        ends = min(inf if end is None else end for end in (key.expires_at, key.secret_ends_at))
        self._lasting = lasting(verdict, api, organization, key.networks, begins=begins, ends=ends)
        return verdict


class Caller:
    """A well-formed API secret, not yet looked up."""

    __slots__ = ("_digests", "_known", "_mark", "names")

    def __init__(self, mark: bytes, digests: Sequence[bytes]) -> None:
        self._mark = mark
        self._digests = {api_secret_name(digest): digest for digest in digests}
        self._known: KnownCaller | None = None
        self.names = tuple(self._digests)

    def owner_at(self, address: str | None) -> Owner:
        """Return the owner whose share of the database threads to use.

        It is the API if the secret was found before, else a stranger. All strangers have one share together.
        """
        return stranger_at(address) if self._known is None else self._known.owner

    @property
    def audience(self) -> Audience:
        """The audience of the last successful lookup. Use it only to choose what to prefetch, never to decide."""
        return _NOBODY if self._known is None else self._known.audience

    def find(self, found: Snapshots) -> "KnownCaller":
        """Return the found API secret; raises UnknownCaller."""
        known = self._known
        if known is not None and found.get(known.secret_at) is known.secret:
            return known
        secret = _right(ApiSecretSnapshot, self._digests, found)
        if secret is None:
            raise UnknownCaller
        if known is None or known.secret is not secret:
            known = self._known = KnownCaller(secret, _outdated("apisecret", secret, self._digests))
            _MEMO.remember(self._mark, self)
        return known


class KnownCaller:
    """An API secret whose snapshot was found."""

    __slots__ = ("api_at", "audience", "outdated", "owner", "secret", "secret_at")

    def __init__(self, secret: ApiSecretSnapshot, outdated: Outdated | None) -> None:
        self.secret = secret
        self.secret_at = api_secret_name(secret.digest)
        self.audience = Audience(secret.api_id, secret.environment)
        self.api_at = api_name(secret.api_id)
        self.owner = Owner(secret.api_id)
        self.outdated = outdated  # set if the secret is stored under an older pepper


_NOBODY = Audience("", "")
_MEMO: Memo[ApiKeyCredential | Caller] = Memo(20_000)


def recognise_api_key(text: str) -> ApiKeyCredential | Verdict | None:
    """Parse the text as an API key. None means another credential type; an API or client secret is NOT_FOUND."""
    recognised = _recognise(text)
    return NOT_FOUND if isinstance(recognised, Caller) else recognised


def recognise_caller(text: str) -> Caller:
    """Parse the text as an API secret; raises UnknownCaller."""
    recognised = _recognise(text)
    if isinstance(recognised, Caller):
        return recognised
    raise UnknownCaller


def _recognise(text: str) -> ApiKeyCredential | Caller | Verdict | None:
    if len(text) > MAX_SECRET_CHARS or not text.isascii():
        return None
    mark = mark_of(text.encode())
    known = _MEMO.get(mark)
    if known is not None:
        return known
    match kind_of(text):
        case None:
            return None
        case Kind.API:
            return Caller(mark, candidate_digests(text))
        case Kind.LIVE | Kind.TEST:
            return ApiKeyCredential(mark, candidate_digests(text))
    return NOT_FOUND


def _outdated(name_kind: str, snapshot: KeySnapshot | ApiSecretSnapshot, digests: dict[str, bytes]) -> Outdated | None:
    if len(digests) == 1:
        return None
    newest = next(iter(digests.values()))
    return None if snapshot.digest == newest else Outdated(name_kind, snapshot.secret_id, snapshot.digest, newest)


def _right(shape: type[SecretSnapshot], digests: dict[str, bytes], found: Snapshots) -> SecretSnapshot | None:
    """Return the snapshot whose digest equals the presented secret's digest, or None."""
    for name, presented in digests.items():
        snapshot = found.get(name)
        if isinstance(snapshot, shape) and hmac.compare_digest(snapshot.digest, presented):
            return snapshot
    return None
