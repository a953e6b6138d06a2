"""API keys as a kind of credential, and API secrets as what a caller presents: from text to snapshot.

A text that was right once is known again: its form is not looked at twice, and it is not digested twice.
"""

import hmac
from collections.abc import Sequence
from typing import TypeVar

from keys.secret import MAX_SECRET_CHARS, Kind, kind_of
from keys.validation.kinds import Snapshots
from keys.validation.memo import Memo, mark_of
from keys.validation.names import api_name, api_secret_name, organization_name, secret_name
from keys.validation.peppers import Outdated, candidate_digests
from keys.validation.shapes import (
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


class ApiKeyCredential:
    """An API key whose text is well formed."""

    __slots__ = ("_digests", "_known", "_mark", "names")

    def __init__(self, mark: bytes, digests: Sequence[bytes]) -> None:
        self._mark = mark
        self._digests = {secret_name(digest): digest for digest in digests}
        self._known: KnownApiKey | None = None
        self.names = tuple(self._digests)

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownApiKey | Verdict":  # noqa: ARG002  # of all kinds
        """The key, unless there is none for this audience."""
        key = _right(KeySnapshot, self._digests, found)
        if key is None or not is_for(key, audience):
            return NOT_FOUND
        known = self._known
        if known is None or known.key is not key:
            known = self._known = KnownApiKey(key, _outdated("secret", key, self._digests))
            self.names = (*self._digests, *known.names)  # the next time all is read at once
            _MEMO.remember(self._mark, self)
        return known


class KnownApiKey:
    """An API key that was found."""

    __slots__ = ("key", "names", "outdated")

    def __init__(self, key: KeySnapshot, outdated: Outdated | None) -> None:
        self.key = key
        self.names = (api_name(key.api_id), organization_name(key.organization_id))
        self.outdated = outdated  # the key's secret, where it stands under an older pepper

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """The verdict."""
        api_at, organization_at = self.names
        api, organization = found.get(api_at), found.get(organization_at)
        return decide(
            self.key,
            api if isinstance(api, ApiSnapshot) else None,
            organization if isinstance(organization, OrganizationSnapshot) else None,
            call,
            audience,
            now=now,
        )


class Caller:
    """An API secret whose text is well formed."""

    __slots__ = ("_digests", "_known", "_mark", "names")

    def __init__(self, mark: bytes, digests: Sequence[bytes]) -> None:
        self._mark = mark
        self._digests = {api_secret_name(digest): digest for digest in digests}
        self._known: KnownCaller | None = None
        self.names = tuple(self._digests)

    def find(self, found: Snapshots) -> "KnownCaller | None":
        """The API secret, where it is known."""
        secret = _right(ApiSecretSnapshot, self._digests, found)
        if secret is None:
            return None
        known = self._known
        if known is None or known.secret is not secret:
            known = self._known = KnownCaller(secret, _outdated("apisecret", secret, self._digests))
            _MEMO.remember(self._mark, self)
        return known


class KnownCaller:
    """An API secret that was found."""

    __slots__ = ("api_at", "audience", "outdated", "secret")

    def __init__(self, secret: ApiSecretSnapshot, outdated: Outdated | None) -> None:
        self.secret = secret
        self.audience = Audience(secret.api_id, secret.environment)
        self.api_at = api_name(secret.api_id)
        self.outdated = outdated  # where it stands under an older pepper


_MEMO: Memo[ApiKeyCredential | Caller] = Memo(20_000)


def recognise_api_key(text: str) -> ApiKeyCredential | Verdict | None:
    """The API key that the text spells; an API or client secret is well formed and opens nothing here."""
    recognised = _recognise(text)
    return NOT_FOUND if isinstance(recognised, Caller) else recognised


def recognise_caller(text: str) -> Caller | None:
    """The API secret that the text spells."""
    recognised = _recognise(text)
    return recognised if isinstance(recognised, Caller) else None


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
