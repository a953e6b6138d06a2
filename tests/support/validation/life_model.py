"""A second, simple implementation of API keys and their verdicts: the model that engines are compared with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

WITHIN, OUTSIDE = "203.0.113.9", "198.51.100.1"
NETWORK = "203.0.113.0/24"
IS_USE = {"VALID", "INSUFFICIENT_SCOPE"}


@dataclass(eq=False)
class Secret:
    """One secret of a key."""

    public_id: str
    text: str = field(repr=False)
    ends_at: datetime | None = None
    is_used: bool = False
    has_uses_to_write: bool = False


@dataclass(eq=False)
class Key:
    """One key; ``organization`` and ``api`` are 0 or 1."""

    public_id: str
    organization: int
    api: int
    secrets: list[Secret] = field(default_factory=list)
    scopes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    is_disabled: bool = False
    is_revoked: bool = False


@dataclass
class Model:
    """All keys, and the suspended organizations and disabled APIs, at one point in time."""

    now: datetime
    keys: list[Key] = field(default_factory=list)
    suspended: set[int] = field(default_factory=set)
    disabled: set[int] = field(default_factory=set)

    def code(self, key: Key, secret: Secret, *, asked_by: int, address: str, scope: str) -> str:  # noqa: PLR0911  # in order
        """The code that an engine has to answer."""
        if asked_by in self.disabled:
            return "401"
        if asked_by != key.api:
            return "NOT_FOUND"
        if key.is_revoked:
            return "REVOKED"
        if key.is_disabled:
            return "DISABLED"
        if key.not_before is not None and self.now < key.not_before:
            return "NOT_YET_VALID"
        if self.is_expired(key):
            return "EXPIRED"
        if not self.works(secret):
            return "SUPERSEDED"
        if key.organization in self.suspended:
            return "ORGANIZATION_SUSPENDED"
        if key.networks and address != WITHIN:
            return "IP_DENIED"
        return "VALID" if scope in key.scopes else "INSUFFICIENT_SCOPE"

    def is_expired(self, key: Key) -> bool:
        """Whether the key has expired."""
        return key.expires_at is not None and key.expires_at <= self.now

    def is_over(self, key: Key) -> bool:
        """Whether the key is revoked or expired."""
        return key.is_revoked or self.is_expired(key)

    def works(self, secret: Secret) -> bool:
        """Whether the secret has not ended."""
        return secret.ends_at is None or self.now < secret.ends_at

    def roll(self, key: Key, overlap: timedelta, new: Secret) -> None:
        """Add a secret; at most one old secret works on, until the end of the overlap."""
        grace_ends = self.now + overlap
        if key.expires_at is not None:
            grace_ends = min(grace_ends, key.expires_at)
        *older, newest = [secret for secret in key.secrets if self.works(secret)]
        if older and not newest.is_used and overlap:
            newest.ends_at = self.now
        else:
            newest.ends_at = grace_ends
            for secret in older:
                secret.ends_at = self.now
        key.secrets.append(new)
