"""Keys and their secrets as pages show them: every decision a template would have to make, made beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keys.activity import quota_words
from keys.models import ApiKey, KeySecret, QuotaUse, RevokeReason
from keys.states import Facts, Status, status
from keys.usage import Calls
from keys.validation.periods import next_period, period_of
from portal.outbox import Propagation
from portal.times import exact_words

_OVER = frozenset({Status.LEAKED, Status.REVOKED, Status.EXPIRED})
_FINAL = frozenset({Status.LEAKED, Status.REVOKED})


_EXPLANATIONS = {
    Status.LEAKED: "This key leaked and was revoked. Requests with it are refused.",
    Status.REVOKED: "This key is revoked. Requests with it are refused, and that cannot be undone.",
    Status.EXPIRED: "This key has expired. Requests with it are refused; create a new one.",
    Status.PAUSED: "This key is paused. Requests with it are refused until somebody resumes it.",
    Status.SUSPENDED: "The organization is suspended. Requests with any of its keys are refused.",
}


@dataclass(frozen=True)
class SecretRow:
    """One secret of a key, and whether it works."""

    secret: KeySecret
    word: str
    tone: str


@dataclass(frozen=True)
class QuotaView:
    """What is left of a key's quota."""

    left: int
    words: str
    renewal: str


@dataclass(frozen=True)
class KeyView:
    """One key at one instant, for someone who may or may not change it."""

    key: ApiKey
    secrets: Sequence[KeySecret]
    status: Status
    may_manage: bool
    days: Sequence[int] = ()

    @property
    def hint(self) -> str:
        """What may be shown of the newest secret."""
        return self.secrets[0].hint

    @property
    def retiring(self) -> KeySecret | None:
        """The rolled secret that still works; None once it has ended or the key itself is over."""
        return self.secrets[1] if len(self.secrets) > 1 and not self.is_over else None

    @property
    def is_over(self) -> bool:
        """Whether the key will never work again."""
        return self.status in _OVER

    @property
    def explanation(self) -> str:
        """Why requests are refused; empty where they are not."""
        if self.status is Status.SCHEDULED and self.key.not_before:
            return f"This key works from {exact_words(self.key.not_before)} on. Until then, requests are refused."
        if self.status is Status.PAUSED and self.key.disabled_at is None:
            return "The API of this key is disabled by its operator. Requests are refused until it is enabled again."
        return _EXPLANATIONS.get(self.status, "")

    @property
    def days_label(self) -> str:
        """The mini bars in words."""
        return f"{sum(self.days):,} calls"

    @property
    def can_change(self) -> bool:
        """Whether rolling and editing are offered."""
        return self.may_manage and not self.is_over

    @property
    def can_pause(self) -> bool:
        """Whether pausing is offered."""
        return self.can_change and self.key.disabled_at is None

    @property
    def can_resume(self) -> bool:
        """Whether resuming is offered."""
        return self.may_manage and self.status not in _FINAL and self.key.disabled_at is not None

    @property
    def can_revoke(self) -> bool:
        """Whether revoking is offered: an expired key too, since its expiry could be a mistake of the clock."""
        return self.may_manage and self.status not in _FINAL

    @property
    def menu_without(self) -> str:
        """Which of a row's actions are not offered, by their addresses below the key's own: ``resume``."""
        offered = {
            "roll": self.can_change,
            "pause": self.can_pause,
            "resume": self.can_resume,
            "edit": self.can_change,
            "revocation": self.can_revoke,
        }
        return " ".join(name for name, is_offered in offered.items() if not is_offered)


def key_view(
    key: ApiKey, secrets: Sequence[KeySecret], *, may_manage: bool, now: datetime, days: Sequence[int] = ()
) -> KeyView:
    """The key as it is now; ``secrets`` are those that have not ended, newest first."""
    word = status(
        facts_of(key),
        secret_ends=[secret.ends_at for secret in secrets],
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        now=now,
    )
    return KeyView(key, secrets, word, may_manage, days)


def facts_of(key: ApiKey) -> Facts:
    """What of the row decides its state, as the verdict on its calls does."""
    return Facts(
        is_compromised=key.revoke_reason == RevokeReason.LEAKED,
        is_revoked=key.revoked_at is not None,
        is_disabled=key.disabled_at is not None or key.api.disabled_at is not None,
        is_suspended=key.organization.suspended_at is not None,
        not_before=key.not_before,
        expires_at=key.expires_at,
    )


def secret_rows(view: KeyView, secrets: Sequence[KeySecret], *, now: datetime) -> list[SecretRow]:
    """The secrets with a word each; none works once the key is over."""
    return [SecretRow(secret, *_secret_state(view, secret, now)) for secret in secrets]


def _secret_state(view: KeyView, secret: KeySecret, now: datetime) -> tuple[str, str]:
    if view.is_over or not secret.works(now):
        return "Ended", "mute"
    return ("Current", "ok") if secret.ends_at is None else ("Retiring", "warn")


def quota_view(key: ApiKey, *, now: datetime) -> QuotaView | None:
    """What is left of the key's quota now; None where it has none."""
    if key.quota is None:
        return None
    limit, refill = key.quota["limit"], key.quota["refill"]
    use = QuotaUse.objects.filter(key=key, period__gte=period_of(refill, now)).first()
    again = next_period(refill, now)
    renewal = f"Full again on {exact_words(again)}" if again else "Not refilled"
    return QuotaView(max(limit - (use.used if use else 0), 0), quota_words(limit, refill), renewal)


def use_words(calls: Calls, callers: int) -> str:
    """How much the key is in use: ``1,204 calls in the last 24 hours came from 3 addresses``."""
    if not calls.total:
        return "No calls in the last 24 hours."
    number = "1 call" if calls.total == 1 else f"{calls.total:,} calls"
    if not callers:
        return f"{number} in the last 24 hours."
    return f"{number} in the last 24 hours came from {'1 address' if callers == 1 else f'{callers:,} addresses'}."


def spread_words(verb: str, propagation: Propagation) -> str:
    """How far a change has spread: ``Refused everywhere after 12 ms``."""
    if propagation.effective_by is None:
        return f"{verb} everywhere {f'after {propagation.took_ms} ms' if propagation.took_ms else 'from now on'}."
    return f"{verb} everywhere usually within 2 seconds, at the latest by {exact_words(propagation.effective_by)}."
