"""Record the endings that time has brought. No call waits for this: validation compares with the clock itself."""

from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet

from keys.models import ApiKey, ApiSecret, KeySecret, Notice
from portal.audit import SYSTEM, record, record_of
from portal.audit_actions import AuditAction

Row = TypeVar("Row", ApiKey, KeySecret, ApiSecret)


def record_expired_keys(*, now: datetime, limit: int) -> int:
    """Record up to ``limit`` expired keys, each once, with a notice to the owner; returns their number."""
    with transaction.atomic(durable=True):
        due = ApiKey.objects.filter(expires_at__lte=now, expiry_recorded_at=None).order_by("expires_at")
        keys = list(_not_locked(due.select_related("organization"))[:limit])
        for key in keys:
            key.expiry_recorded_at = now
            key.save(update_fields=["expiry_recorded_at"])
            if key.revoked_at is None:  # the end of a revoked key was recorded at its revocation
                _record_expiry(key, now)
    return len(keys)


def record_ended_key_secrets(*, now: datetime, limit: int) -> int:
    """Record up to ``limit`` ended key secrets, each once; returns their number.

    The owner gets a notice if the key itself goes on.
    """
    with transaction.atomic(durable=True):
        due = KeySecret.objects.filter(ends_at__lte=now, end_recorded_at=None).order_by("ends_at")
        secrets = list(_not_locked(due.select_related("key__organization"))[:limit])
        for secret in secrets:
            secret.end_recorded_at = now
            secret.save(update_fields=["end_recorded_at"])
            if secret.key.revoked_at is None:
                _record_ended_secret(secret, now)
    return len(secrets)


def record_ended_api_secrets(*, now: datetime, limit: int) -> int:
    """Record up to ``limit`` ended API secrets, each once; returns their number."""
    with transaction.atomic(durable=True):
        due = ApiSecret.objects.filter(ends_at__lte=now, end_recorded_at=None).order_by("ends_at")
        secrets = list(_not_locked(due.select_related("api"))[:limit])
        for secret in secrets:
            secret.end_recorded_at = now
            secret.save(update_fields=["end_recorded_at"])
            if secret.revoked_at is None:
                record(
                    AuditAction.API_SECRET_ENDED,
                    actor=SYSTEM,
                    at=now,
                    subject_id=secret.public_id,
                    subject_label=secret.name,
                    after={"api": secret.api.public_id},
                )
    return len(secrets)


def _not_locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Lock the rows, except rows locked by another sweep or a person's change: the next sweep finds them."""
    return rows.select_for_update(of=("self",), skip_locked=True)


def _record_expiry(key: ApiKey, now: datetime) -> None:
    if key.expires_at is None:
        raise ValueError("a key without an end does not expire")
    ended = key.expires_at.isoformat()
    record_of(AuditAction.KEY_EXPIRED, key, SYSTEM, now, after={"expires_at": ended})
    Notice.objects.get_or_create(key=key, kind=Notice.Kind.EXPIRED, about=ended)


def _record_ended_secret(secret: KeySecret, now: datetime) -> None:
    record_of(AuditAction.KEY_SECRET_ENDED, secret.key, SYSTEM, now, after={"secret": secret.public_id})
    if secret.key.expires_at is None or now < secret.key.expires_at:  # else the notice of the expiry is enough
        Notice.objects.get_or_create(key=secret.key, kind=Notice.Kind.SECRET_ENDED, about=secret.public_id)
