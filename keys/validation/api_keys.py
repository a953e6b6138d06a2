"""API keys as a kind of credential, and API secrets as what a caller presents: from text to snapshot."""

import hmac
from collections.abc import Callable
from typing import TypeVar

from keys.secret import Kind, kind_of
from keys.validation.kinds import Snapshots
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

    __slots__ = ("_digests", "names")

    def __init__(self, text: str) -> None:
        self._digests = _digests(text, secret_name)
        self.names = tuple(self._digests)

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "KnownApiKey | Verdict":  # noqa: ARG002  # of all kinds
        """The key, unless there is none for this audience."""
        key = _right(KeySnapshot, self._digests, found)
        if key is None or not is_for(key, audience):
            return NOT_FOUND
        return KnownApiKey(key, _outdated("secret", key, self._digests))


class KnownApiKey:
    """An API key that was found."""

    __slots__ = ("_key", "names", "outdated")

    def __init__(self, key: KeySnapshot, outdated: Outdated | None) -> None:
        self._key = key
        self.names = (api_name(key.api_id), organization_name(key.organization_id))
        self.outdated = outdated  # the key's secret, where it stands under an older pepper

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """The verdict."""
        api_at, organization_at = self.names
        api, organization = found.get(api_at), found.get(organization_at)
        return decide(
            self._key,
            api if isinstance(api, ApiSnapshot) else None,
            organization if isinstance(organization, OrganizationSnapshot) else None,
            call,
            audience,
            now=now,
        )


class Caller:
    """An API secret whose text is well formed."""

    __slots__ = ("_digests", "names")

    def __init__(self, text: str) -> None:
        self._digests = _digests(text, api_secret_name)
        self.names = tuple(self._digests)

    def find(self, found: Snapshots) -> ApiSecretSnapshot | None:
        """Its snapshot, where it is known."""
        return _right(ApiSecretSnapshot, self._digests, found)

    def outdated(self, secret: ApiSecretSnapshot) -> Outdated | None:
        """The API secret that was found, where it stands under an older pepper."""
        return _outdated("apisecret", secret, self._digests)


def recognise_api_key(text: str) -> ApiKeyCredential | Verdict | None:
    """The API key that the text spells; an API or client secret is well formed and opens nothing here."""
    kind = kind_of(text)
    if kind is None:
        return None
    return ApiKeyCredential(text) if kind is Kind.LIVE or kind is Kind.TEST else NOT_FOUND


def recognise_caller(text: str) -> Caller | None:
    """The API secret that the text spells."""
    return Caller(text) if kind_of(text) is Kind.API else None


def _digests(text: str, name: Callable[[bytes], str]) -> dict[str, bytes]:
    """The digests that the secret may be stored as, by snapshot, that of the first pepper first."""
    digests: dict[str, bytes] = {}
    for candidate in candidate_digests(text):
        digests[name(candidate)] = candidate
    return digests


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
