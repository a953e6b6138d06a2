"""Prepare keys and secrets for pages, so that templates decide nothing.

``CredentialView`` has the parts that keys and OAuth clients share. Template fragments that use only these serve both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Generic

from django.urls import reverse
from django.utils.html import format_html

from keys.models import ApiKey, Credential, QuotaUse, RevokeReason, Secret
from keys.pages.usage_reports import Calls
from keys.rules.rolling import Light, light_of
from keys.rules.states import CredentialFacts, CredentialStatus, status
from keys.services.credential_type import Row
from keys.validation.limits.quota_periods import next_period, period_of
from portal.limit_words import quota_words
from portal.outbox import Propagation
from portal.ui.markup import exact_time

_OVER = frozenset({CredentialStatus.LEAKED, CredentialStatus.REVOKED, CredentialStatus.EXPIRED})
_FINAL = frozenset({CredentialStatus.LEAKED, CredentialStatus.REVOKED})
_EXPLANATIONS = {
    CredentialStatus.LEAKED: "This key leaked and was revoked. Requests with it are refused.",
    CredentialStatus.REVOKED: "This key is revoked. Requests with it are refused, and that cannot be undone.",
    CredentialStatus.EXPIRED: "This key has expired. Requests with it are refused; create a new one.",
    CredentialStatus.PAUSED: "This key is paused. Requests with it are refused until somebody resumes it.",
    CredentialStatus.SUSPENDED: "The organization is suspended. Requests with any of its keys are refused.",
}


@dataclass(frozen=True)
class Words:
    """The words of pages for one credential type.

    ``pages`` is the namespace of its URLs. ``refused`` begins the sentence about the propagation of a pause or a
    revocation, and ``old_refused`` of the end of an old secret. ``saved`` is what a person saves once.
    """

    noun: str
    plural: str
    pages: str
    saved: str
    roll: str
    overlap: str
    revocation: str
    refused: str
    old_refused: str

    @property
    def last_end(self) -> str:
        """The words for the end of a secret that has no end of its own."""
        return f"With the {self.noun}"

    @property
    def conflict(self) -> str:
        """The message for an edit conflict."""
        return f"Somebody else changed this {self.noun} in the meantime"


@dataclass(frozen=True)
class SecretRow:
    """One secret of a credential, with its end, and a word and a tone for its state."""

    secret: Secret
    ends_at: datetime | None
    word: str
    tone: str


@dataclass(frozen=True)
class QuotaView:
    """The rest of a key's quota."""

    left: int
    words: str
    renewal: str

    @property
    def left_words(self) -> str:
        """Such as ``9,999``."""
        return f"{self.left:,}"


@dataclass(frozen=True)
class CredentialView(Generic[Row]):
    """One credential at one instant, for a member who may or may not change it."""

    words: ClassVar[Words]
    shows_hint: ClassVar[bool] = True  # beside the name; a client is known by its id
    subject: Row
    secrets: Sequence[Secret]
    status: CredentialStatus
    may_manage: bool

    @cached_property
    def links(self) -> Mapping[str, str]:
        """The URLs of its pages and actions, by name."""
        names = ("detail", "edit", "roll", "pause", "resume", "revocation")
        pages, public_id = self.words.pages, self.subject.public_id
        return {name: reverse(f"{pages}:{name}", args=[public_id]) for name in names}

    @property
    def list_link(self) -> str:
        """The URL of the list that contains it."""
        return reverse(f"{self.words.pages}:list")

    @property
    def overlap_links(self) -> Mapping[str, str]:
        """The URLs to end and to extend the retiring secret, and of its last use."""
        if self.retiring is None:
            return {}
        pages, arguments = self.words.pages, [self.subject.public_id, self.retiring.public_id]
        links = {name: reverse(f"{pages}:{name}_secret", args=arguments) for name in ("end", "extend")}
        return {**links, "use": reverse(f"{pages}:overlap", args=arguments[:1])}

    @property
    def hint(self) -> str:
        """The hint of the newest secret; empty if there is none."""
        return self.secrets[0].hint if self.secrets else ""

    @property
    def retiring(self) -> Secret | None:
        """The rolled secret that still works; None once it or the credential has ended."""
        return self.secrets[1] if len(self.secrets) > 1 and not self.is_over else None

    def light(self, now: datetime) -> Light | None:
        """How safe it is to end the retiring secret; None if there is none."""
        if self.retiring is None:
            return None
        return light_of(self.retiring.last_used_at, self.secrets[0].last_used_at, now=now)

    @property
    def is_over(self) -> bool:
        """True if the credential will never work again."""
        return self.status in _OVER

    @property
    def can_change(self) -> bool:
        """Whether the page offers editing."""
        return self.may_manage and not self.is_over

    @property
    def can_roll(self) -> bool:
        """Whether the page offers rolling."""
        return self.can_change and bool(self.secrets)

    @property
    def can_pause(self) -> bool:
        """Whether the page offers pausing."""
        return self.can_change and self.subject.disabled_at is None

    @property
    def can_resume(self) -> bool:
        """Whether the page offers resuming."""
        return self.may_manage and self.status not in _FINAL and self.subject.disabled_at is not None

    @property
    def can_revoke(self) -> bool:
        """Whether the page offers revoking. An expired key can be revoked too: a wrong clock may have expired it."""
        return self.may_manage and self.status not in _FINAL

    @property
    def menu_without(self) -> str:
        """The actions that a row's menu must hide, by the last part of their URLs, such as ``resume``."""
        offered = {
            "roll": self.can_roll,
            "overlap": self.may_manage and self.retiring is not None,
            "pause": self.can_pause,
            "resume": self.can_resume,
            "edit": self.can_change,
            "revocation": self.can_revoke,
        }
        return " ".join(name for name, is_offered in offered.items() if not is_offered)


@dataclass(frozen=True)
class KeyView(CredentialView[ApiKey]):
    """One key at one instant, for a member who may or may not change it."""

    days: Sequence[int] = ()

    words = Words(
        noun="key",
        plural="API keys",
        pages="keys",
        saved="key",
        roll="A new secret with the same rights. You choose how long the old one still works.",
        overlap="At most 30 days from now, and never past the end of the key.",
        revocation="Requests with this key will be refused at once. This cannot be undone.",
        refused="Requests are refused",
        old_refused="Requests with it are refused",
    )

    @property
    def explanation(self) -> str:
        """Why the key's requests are refused; empty if they are not."""
        if self.status is CredentialStatus.SCHEDULED and self.subject.not_before:
            start = exact_time(self.subject.not_before)
            return format_html("This key works from {} on. Until then, requests are refused.", start)
        if self.status is CredentialStatus.PAUSED and self.subject.disabled_at is None:
            return "The API of this key is disabled by its operator. Requests are refused until it is enabled again."
        return _EXPLANATIONS.get(self.status, "")

    @property
    def days_label(self) -> str:
        """The mini chart in words."""
        return f"{sum(self.days):,} calls"


def key_view(
    key: ApiKey, secrets: Sequence[Secret], *, may_manage: bool, now: datetime, days: Sequence[int] = ()
) -> KeyView:
    """Build the view of a key; ``secrets`` are those that have not ended, newest first."""
    return KeyView(key, secrets, status_of(key, facts_of_key(key), secrets, now=now), may_manage, days)


def status_of(
    credential: Credential, facts: CredentialFacts, secrets: Sequence[Secret], *, now: datetime
) -> CredentialStatus:
    """Return the status of a credential; ``secrets`` are those that have not ended."""
    return status(
        facts,
        secret_ends=[secret.ends_at for secret in secrets],
        created_at=credential.created_at,
        last_used_at=credential.last_used_at,
        now=now,
    )


def facts_of_key(key: ApiKey) -> CredentialFacts:
    """Return the facts that decide the key's state; the verdict uses the same ones."""
    return facts_of(key, is_disabled=key.api.disabled_at is not None, not_before=key.not_before)


def facts_of(
    credential: Credential, *, is_disabled: bool = False, not_before: datetime | None = None
) -> CredentialFacts:
    """Return the facts that decide a credential's state; ``is_disabled`` tells that something else disables it."""
    return CredentialFacts(
        is_compromised=credential.revoke_reason == RevokeReason.LEAKED,
        is_revoked=credential.revoked_at is not None,
        is_disabled=is_disabled or credential.disabled_at is not None,
        is_suspended=credential.organization.suspended_at is not None,
        not_before=not_before,
        expires_at=credential.expires_at,
    )


def secret_rows(view: CredentialView[Any], secrets: Sequence[Secret], *, now: datetime) -> list[SecretRow]:
    """Add the end and the state to each secret; no secret works once the credential has ended."""
    return [SecretRow(secret, _secret_end(view, secret), *_secret_state(view, secret, now)) for secret in secrets]


def _secret_end(view: CredentialView[Any], secret: Secret) -> datetime | None:
    if not view.is_over:
        return secret.ends_at
    return min(filter(None, (secret.ends_at, view.subject.revoked_at, view.subject.expires_at)), default=None)


def _secret_state(view: CredentialView[Any], secret: Secret, now: datetime) -> tuple[str, str]:
    if view.is_over or not secret.works(now):
        return "Ended", "mute"
    return ("Current", "ok") if secret.ends_at is None else ("Retiring", "warn")


def quota_view(key: ApiKey, *, now: datetime) -> QuotaView | None:
    """Return the rest of the key's quota; None if it has no quota."""
    if key.quota is None:
        return None
    limit, refill = key.quota["limit"], key.quota["refill"]
    use = QuotaUse.objects.filter(key=key, period__gte=period_of(refill, now)).first()
    again = next_period(refill, now)
    renewal = format_html("Full again on {}", exact_time(again)) if again else "Not refilled"
    return QuotaView(max(limit - (use.used if use else 0), 0), quota_words(limit, refill), renewal)


def use_words(calls: Calls, callers: int) -> str:
    """Describe the key's recent use: ``1,204 calls in the last 24 hours came from 3 addresses``."""
    if not calls.total:
        return "No calls in the last 24 hours."
    number = "1 call" if calls.total == 1 else f"{calls.total:,} calls"
    if not callers:
        return f"{number} in the last 24 hours."
    return f"{number} in the last 24 hours came from {'1 address' if callers == 1 else f'{callers:,} addresses'}."


def spread_words(verb: str, propagation: Propagation) -> str:
    """Describe the propagation of a change: ``Requests are refused everywhere after 12 ms, by 4 processes``."""
    return propagation.words(verb)
