"""The state of a credential at an instant, for pages. Pure; always agrees with ``keys.validation.verdict``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

EXPIRES_SOON = timedelta(days=7)
NEVER_USED_AFTER = timedelta(days=14)
IDLE_AFTER = timedelta(days=90)


class State(StrEnum):
    """A credential's state, as programs read it."""

    ACTIVE = "active"
    SCHEDULED = "scheduled"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"
    COMPROMISED = "compromised"
    SUSPENDED = "suspended"


class CredentialStatus(StrEnum):
    """A key's status, as pages show it; the first that applies is shown."""

    LEAKED = "Leaked"
    REVOKED = "Revoked"
    EXPIRED = "Expired"
    SCHEDULED = "Scheduled"
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    RETIRING = "Retiring"
    EXPIRES_SOON = "Expires soon"
    NEVER_USED = "Never used"
    IDLE = "Idle"
    ACTIVE = "Active"

    @property
    def tone(self) -> str:
        """The colour role of the status: ok, warn, bad, info or mute."""
        return _TONES.get(self, "mute")


_TONES = {
    CredentialStatus.LEAKED: "bad",
    CredentialStatus.REVOKED: "bad",
    CredentialStatus.SCHEDULED: "info",
    CredentialStatus.SUSPENDED: "bad",
    CredentialStatus.RETIRING: "warn",
    CredentialStatus.EXPIRES_SOON: "warn",
    CredentialStatus.ACTIVE: "ok",
}


@dataclass(frozen=True)
class CredentialFacts:
    """The facts that decide a credential's state."""

    is_compromised: bool
    is_revoked: bool
    is_disabled: bool
    is_suspended: bool
    not_before: datetime | None = None
    expires_at: datetime | None = None


def state(facts: CredentialFacts, *, now: datetime) -> State:
    """Return the state at ``now``. The checks are in the same order as the verdict's."""
    if facts.is_compromised:
        return State.COMPROMISED
    if facts.is_revoked:
        return State.REVOKED
    if facts.is_disabled:
        return State.DISABLED
    if facts.not_before is not None and now < facts.not_before:
        return State.SCHEDULED
    if facts.expires_at is not None and facts.expires_at <= now:
        return State.EXPIRED
    if facts.is_suspended:
        return State.SUSPENDED
    return State.ACTIVE


_STATUS_OF = {
    State.COMPROMISED: CredentialStatus.LEAKED,
    State.REVOKED: CredentialStatus.REVOKED,
    State.EXPIRED: CredentialStatus.EXPIRED,
    State.SCHEDULED: CredentialStatus.SCHEDULED,
    State.DISABLED: CredentialStatus.PAUSED,
    State.SUSPENDED: CredentialStatus.SUSPENDED,
}


def status(
    facts: CredentialFacts,
    *,
    secret_ends: Sequence[datetime | None],
    created_at: datetime,
    last_used_at: datetime | None,
    now: datetime,
) -> CredentialStatus:
    """Return the status for a page; ``secret_ends`` has the end of each secret of the key, None for no end."""
    found = _STATUS_OF.get(state(facts, now=now))
    if found is not None:
        return found
    if any(end is not None and now < end for end in secret_ends) and None in secret_ends:
        return CredentialStatus.RETIRING
    if facts.expires_at is not None and facts.expires_at - now <= EXPIRES_SOON:
        return CredentialStatus.EXPIRES_SOON
    if last_used_at is None:
        return CredentialStatus.NEVER_USED if now - created_at >= NEVER_USED_AFTER else CredentialStatus.ACTIVE
    return CredentialStatus.IDLE if now - last_used_at >= IDLE_AFTER else CredentialStatus.ACTIVE
