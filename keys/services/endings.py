"""Record the endings that time has brought. No call waits for this: validation compares with the clock itself."""

from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

from keys.models import ApiKey, ApiSecret, Credential, KeySecret, Notice
from keys.services.credential_type import CredentialType
from portal.audit import SYSTEM, record, record_of
from portal.audit_actions import AuditAction

Row = TypeVar("Row", bound=Model)


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


def record_ended_secrets(credential_type: CredentialType, *, now: datetime, limit: int) -> int:
    """Record up to ``limit`` ended secrets of one type of credential, each once; returns their number.

    The owner is told if the credential itself goes on. Otherwise the news of its expiry is enough.
    """
    noun = credential_type.noun
    with transaction.atomic(durable=True):
        every = credential_type.secret_model._default_manager  # noqa: SLF001  # Django documents it as public
        due = every.filter(ends_at__lte=now, end_recorded_at=None).order_by("ends_at")
        secrets = list(_not_locked(due.select_related(f"{noun}__organization", f"{noun}__owner"))[:limit])
        for secret in secrets:
            secret.end_recorded_at = now
            secret.save(update_fields=["end_recorded_at"])
            credential: Credential = getattr(secret, noun)
            if credential.revoked_at is None:
                action = credential_type.action("secret_ended")
                record_of(action, credential, SYSTEM, now, after={"secret": secret.public_id})
                if credential.expires_at is None or now < credential.expires_at:
                    credential_type.tell_of_end(secret)
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


def write_end_notice(secret: KeySecret) -> None:
    """Write the notice of the end of a key's old secret."""
    Notice.objects.get_or_create(key=secret.key, kind=Notice.Kind.SECRET_ENDED, about=secret.public_id)
