"""Operations on API secrets, which backends and gateways present. They belong to the operator, not to organizations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from keys.models import Api, ApiSecret, Environment, RevokeReason
from keys.rules.ids import secret_id
from keys.rules.secret import SecretKind
from keys.services.common import mint, only_once, secret_name, valid
from keys.services.errors import Conflict, Refused
from keys.services.secrets import check_overlap, end_for_roll, move_end
from portal.audit import Actor, record, require_operator
from portal.audit_actions import AuditAction
from portal.names import clean_name
from portal.outbox import Propagation, change


@dataclass(frozen=True)
class IssuedApiSecret:
    """A new API secret. Its text is shown once and does not appear in ``repr``."""

    secret: ApiSecret
    secret_text: str = field(repr=False)
    propagation: Propagation


@dataclass(frozen=True)
class ChangedApiSecret:
    """An API secret after a change, with the propagation of the change."""

    secret: ApiSecret
    propagation: Propagation


def issue_api_secret(
    api: Api, *, name: str, environment: Environment, by: Actor, submission: UUID | None = None
) -> IssuedApiSecret:
    """Create an API secret that starts a new line; raises NotAllowed, Invalid, Refused or AlreadyDone."""
    require_operator(by)
    with change() as pending, only_once(submission) as remember:
        api = Api.objects.select_for_update().get(pk=api.pk)
        now = timezone.now()
        if api.disabled_at is not None:
            raise Refused("This API is disabled; enable it first.")
        cleaned = valid("name", lambda: clean_name(name))
        minted = mint(SecretKind.API, by=by.user, now=now)
        public_id = secret_id()
        secret = ApiSecret.objects.create(
            public_id=public_id, line=public_id, api=api, environment=environment, name=cleaned, **minted.columns
        )
        remember(public_id)
        after = {"name": cleaned, "environment": environment.value}
        _record(AuditAction.API_SECRET_ISSUED, secret, by, now, after=after)
        pending.invalidates(secret_name(secret))
    return IssuedApiSecret(secret, minted.text, pending.spread)


def roll_api_secret(
    secret: ApiSecret,
    *,
    overlap: timedelta,
    by: Actor,
    submission: UUID | None = None,
    seen_secret_id: str | None = None,
) -> IssuedApiSecret:
    """Add a secret to the line, and end the old one after ``overlap``, by the same rules as a key's roll.

    Raises NotAllowed, Invalid, Refused (revoked), AlreadyDone; Conflict if the newest secret is no longer
    ``seen_secret_id``.
    """
    require_operator(by)
    check_overlap(overlap)
    with change() as pending, only_once(submission) as remember:
        line = list(ApiSecret.objects.select_for_update(of=("self",)).filter(line=secret.line).order_by("pk"))
        now = timezone.now()
        newest = line[-1]
        if newest.revoked_at is not None:
            raise Refused("This secret is revoked. Issue a new one.")
        if seen_secret_id is not None and newest.public_id != seen_secret_id:
            raise Conflict("Somebody else has just rolled this secret.")
        alive = [each for each in line if each.revoked_at is None]
        ended = end_for_roll(alive, overlap=overlap, expires_at=None, now=now)
        minted = mint(SecretKind.API, by=by.user, now=now)
        successor = ApiSecret.objects.create(
            line=secret.line,
            api_id=newest.api_id,
            environment=newest.environment,
            name=newest.name,
            disabled_at=newest.disabled_at,
            **minted.columns,
        )
        remember(successor.public_id)
        _record(AuditAction.API_SECRET_ROLLED, successor, by, now, after={"replaces": newest.public_id, "ends": ended})
        pending.invalidates(*map(secret_name, [*line, successor]))
    return IssuedApiSecret(successor, minted.text, pending.spread)


def end_api_secret(secret: ApiSecret, *, by: Actor) -> ChangedApiSecret:
    """End a retiring secret now; a repeat only invalidates the caches again. Raises Refused for the newest secret."""
    return _set_end(secret, ends_at=None, by=by)


def extend_api_secret(secret: ApiSecret, *, ends_at: datetime, by: Actor) -> ChangedApiSecret:
    """Move the end of a retiring secret, to at most 30 days from now."""
    return _set_end(secret, ends_at=ends_at, by=by)


def disable_api_secret(secret: ApiSecret, *, by: Actor) -> ChangedApiSecret:
    """Refuse this secret until it is enabled again."""
    return _set_disabled(secret, disabled=True, by=by)


def enable_api_secret(secret: ApiSecret, *, by: Actor) -> ChangedApiSecret:
    """Enable a disabled secret; raises Refused if it is revoked."""
    return _set_disabled(secret, disabled=False, by=by)


def revoke_api_secret(secret: ApiSecret, *, reason: RevokeReason, by: Actor) -> ChangedApiSecret:
    """Revoke this secret for good. A repeat keeps the first reason and only invalidates the caches again."""
    require_operator(by)
    with change() as pending:
        secret = _lock(secret)
        now = timezone.now()
        if secret.revoked_at is None:
            secret.revoked_at = now
            secret.revoke_reason = reason
            secret.save(update_fields=["revoked_at", "revoke_reason"])
            _record(AuditAction.API_SECRET_REVOKED, secret, by, now, after={"reason": reason.value})
        pending.invalidates(secret_name(secret))
    return ChangedApiSecret(secret, pending.spread)


def _set_end(secret: ApiSecret, *, ends_at: datetime | None, by: Actor) -> ChangedApiSecret:
    require_operator(by)
    with change() as pending:
        secret = _lock(secret)
        now = timezone.now()
        if secret.revoked_at is not None and ends_at is not None:
            raise Refused("This secret has already ended.")
        moved = None if secret.revoked_at else move_end(secret, ends_at=ends_at, expires_at=None, now=now)
        if moved:
            action = AuditAction.API_SECRET_OVERLAP_CHANGED if ends_at else AuditAction.API_SECRET_ENDED
            _record(action, secret, by, now, before={"ends_at": moved.before}, after={"ends_at": moved.after})
        pending.invalidates(secret_name(secret))
    return ChangedApiSecret(secret, pending.spread)


def _set_disabled(secret: ApiSecret, *, disabled: bool, by: Actor) -> ChangedApiSecret:
    require_operator(by)
    with change() as pending:
        secret = _lock(secret)
        now = timezone.now()
        if secret.revoked_at is not None:
            raise Refused("This secret is revoked; that cannot be undone.")
        if (secret.disabled_at is not None) != disabled:
            secret.disabled_at = now if disabled else None
            secret.save(update_fields=["disabled_at"])
            action = AuditAction.API_SECRET_DISABLED if disabled else AuditAction.API_SECRET_ENABLED
            _record(action, secret, by, now)
        pending.invalidates(secret_name(secret))
    return ChangedApiSecret(secret, pending.spread)


def _lock(secret: ApiSecret) -> ApiSecret:
    return ApiSecret.objects.select_for_update(of=("self",)).select_related("api").get(pk=secret.pk)


def _record(
    action: AuditAction,
    secret: ApiSecret,
    by: Actor,
    now: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    after = {"api": secret.api.public_id, **(after or {})}
    record(action, actor=by, at=now, subject_id=secret.public_id, subject_label=secret.name, before=before, after=after)
