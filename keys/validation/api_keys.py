"""API keys as a kind of credential, and API secrets as what a caller presents: from text to snapshot.

A text that was right once is known again: its form is not looked at twice, and it is not digested twice.
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
    """What was presented is no API secret that works."""


class ApiKeyCredential:
    """An API key whose text is well formed."""

    __slots__ = ("_audience", "_digests", "_known", "_mark", "_names")

    def __init__(self, mark: bytes, digests: Sequence[bytes]) -> None:
        self._mark = mark
        self._digests = {secret_name(digest): digest for digest in digests}
        self._known: KnownApiKey | None = None
        self._names = tuple(self._digests)
        self._audience: Audience | None = None  # who was led on last

    def names_for(self, audience: Audience | None) -> tuple[str, ...]:
        """Its own, and what it leads to where the same audience has been led there."""
        known = self._known
        return self._names if known is None or audience is not self._audience else self._names + known.names

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownApiKey | Verdict":  # noqa: ARG002  # of all kinds
        """The key, unless there is none for this audience."""
        known = self._known
        if known is not None and found.get(known.secret_at) is known.key:  # the secret was compared with it before
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
    """An API key that was found."""

    __slots__ = ("_lasting", "key", "names", "outdated", "secret_at")

    def __init__(self, key: KeySnapshot, outdated: Outdated | None) -> None:
        self.key = key
        self.secret_at = secret_name(key.digest)
        self.names = (api_name(key.api_id), organization_name(key.organization_id))
        self.outdated = outdated  # the key's secret, where it stands under an older pepper
        self._lasting: Lasting | None = None

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """The verdict."""
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
    """An API secret whose text is well formed."""

    __slots__ = ("_digests", "_known", "_mark", "names")

    def __init__(self, mark: bytes, digests: Sequence[bytes]) -> None:
        self._mark = mark
        self._digests = {api_secret_name(digest): digest for digest in digests}
        self._known: KnownCaller | None = None
        self.names = tuple(self._digests)

    def owner_at(self, address: str | None) -> Owner:
        """In whose share of the database's threads it is looked for: its API's once it was found, else a stranger's."""
        return stranger_at(address) if self._known is None else self._known.owner

    @property
    def audience(self) -> Audience:
        """Whose it was when it was last found; good for guessing what to read, and for nothing else."""
        return _NOBODY if self._known is None else self._known.audience

    def find(self, found: Snapshots) -> "KnownCaller":
        """The API secret; raises UnknownCaller."""
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
    """An API secret that was found."""

    __slots__ = ("api_at", "audience", "outdated", "owner", "secret", "secret_at")

    def __init__(self, secret: ApiSecretSnapshot, outdated: Outdated | None) -> None:
        self.secret = secret
        self.secret_at = api_secret_name(secret.digest)
        self.audience = Audience(secret.api_id, secret.environment)
        self.api_at = api_name(secret.api_id)
        self.owner = Owner(secret.api_id)
        self.outdated = outdated  # where it stands under an older pepper


_NOBODY = Audience("", "")
_MEMO: Memo[ApiKeyCredential | Caller] = Memo(20_000)


def recognise_api_key(text: str) -> ApiKeyCredential | Verdict | None:
    """The API key that the text spells; an API or client secret is well formed and opens nothing here."""
    recognised = _recognise(text)
    return NOT_FOUND if isinstance(recognised, Caller) else recognised


def recognise_caller(text: str) -> Caller:
    """The API secret that the text spells; raises UnknownCaller."""
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
    """The snapshot found under one of the names, if it is of the secret that was presented and not of another."""
    for name, presented in digests.items():
        snapshot = found.get(name)
        if isinstance(snapshot, shape) and hmac.compare_digest(snapshot.digest, presented):
            return snapshot
    return None
