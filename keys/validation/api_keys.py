"""API keys as a kind of credential, and API secrets as what a caller presents: from text to snapshot."""

import hmac
from collections.abc import Iterable
from typing import TypeVar

from django.conf import settings

from keys.secret import Kind, digest, parse
from keys.validation.kinds import Snapshots
from keys.validation.names import api_name, api_secret_name, organization_name, secret_name
from keys.validation.peppers import Outdated
from keys.validation.shapes import (
    ApiSecretSnapshot,
    ApiSnapshot,
    Audience,
    Call,
    KeySnapshot,
    OrganizationSnapshot,
    Verdict,
)
from keys.validation.verdict import NOT_FOUND, audience_of, decide, is_for

SecretSnapshot = TypeVar("SecretSnapshot", KeySnapshot, ApiSecretSnapshot)


class ApiKeyCredential:
    """An API key whose text is well formed."""

    __slots__ = ("_digests", "names")

    def __init__(self, text: str) -> None:
        self._digests = _digests(text)
        self.names = tuple(map(secret_name, self._digests))

    def more(self, found: Snapshots, audience: Audience | None) -> tuple[str, ...]:
        """Its API and its organization."""
        key = self._key(found)
        if key is None or not is_for(key, audience):
            return ()
        return (api_name(key.api_id), organization_name(key.organization_id))

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """The verdict, from all that was found."""
        key = self._key(found)
        if key is None:
            return NOT_FOUND
        api, organization = found.get(api_name(key.api_id)), found.get(organization_name(key.organization_id))
        return decide(
            key,
            api if isinstance(api, ApiSnapshot) else None,
            organization if isinstance(organization, OrganizationSnapshot) else None,
            call,
            audience,
            now=now,
        )

    def outdated(self, found: Snapshots) -> Outdated | None:
        """The key's secret, where it stands under an older pepper."""
        return _outdated("secret", self._key(found), self._digests)

    def _key(self, found: Snapshots) -> KeySnapshot | None:
        return _right(KeySnapshot, zip(self.names, self._digests, strict=True), found)


class Caller:
    """An API secret whose text is well formed."""

    __slots__ = ("_digests", "names")

    def __init__(self, text: str) -> None:
        self._digests = _digests(text)
        self.names = tuple(map(api_secret_name, self._digests))

    def secret(self, found: Snapshots) -> ApiSecretSnapshot | None:
        """Its snapshot, where it is known."""
        return _right(ApiSecretSnapshot, zip(self.names, self._digests, strict=True), found)

    def outdated(self, found: Snapshots) -> Outdated | None:
        """The API secret, where it stands under an older pepper."""
        return _outdated("apisecret", self.secret(found), self._digests)

    def audience(self, found: Snapshots, *, now: float) -> Audience | None:
        """What it lets its bearer ask about; None where it does not work."""
        secret = self.secret(found)
        api = found.get(api_name(secret.api_id)) if secret else None
        return audience_of(secret, api if isinstance(api, ApiSnapshot) else None, now=now)


def recognise_api_key(text: str) -> ApiKeyCredential | Verdict | None:
    """The API key that the text spells; an API or client secret is well formed and opens nothing here."""
    secret = parse(text)
    if secret is None:
        return None
    return ApiKeyCredential(text) if secret.kind in {Kind.LIVE, Kind.TEST} else NOT_FOUND


def recognise_caller(text: str) -> Caller | None:
    """The API secret that the text spells."""
    secret = parse(text)
    return Caller(text) if secret is not None and secret.kind is Kind.API else None


def _digests(text: str) -> tuple[bytes, ...]:
    # Which pepper a secret is stored under is known only once it is found.
    return tuple(digest(text, pepper.key) for pepper in settings.KEY_PEPPERS)


def _outdated(
    name_kind: str, snapshot: KeySnapshot | ApiSecretSnapshot | None, digests: tuple[bytes, ...]
) -> Outdated | None:
    if snapshot is None or snapshot.digest == digests[0]:
        return None
    return Outdated(name_kind, snapshot.secret_id, snapshot.digest, digests[0])


def _right(
    shape: type[SecretSnapshot], candidates: Iterable[tuple[str, bytes]], found: Snapshots
) -> SecretSnapshot | None:
    """The snapshot found under one of the names, if it is of the secret that was presented and not of another."""
    for name, presented in candidates:
        snapshot = found.get(name)
        if isinstance(snapshot, shape) and hmac.compare_digest(snapshot.digest, presented):
            return snapshot
    return None
