"""Record the secrets whose overlap has ended by the clock. Validations do not depend on these records."""

from datetime import datetime

from django.db import transaction

from oauth.expiry_mails import mail_ended_secret
from oauth.models import ClientSecret
from portal.audit import SYSTEM, record_of
from portal.audit_actions import AuditAction


def record_ended_client_secrets(*, now: datetime, limit: int) -> int:
    """Record up to ``limit`` ended overlaps, each once, and mail the owners. Rows that are locked are skipped."""
    with transaction.atomic(durable=True):
        due = ClientSecret.objects.filter(ends_at__lte=now, end_recorded_at=None).order_by("ends_at")
        rows = due.select_for_update(of=("self",), skip_locked=True).select_related(
            "client__organization", "client__owner"
        )
        secrets = list(rows[:limit])
        for secret in secrets:
            secret.end_recorded_at = now
            secret.save(update_fields=["end_recorded_at"])
            if secret.client.revoked_at is None:
                after = {"secret": secret.public_id}
                record_of(AuditAction.CLIENT_SECRET_ENDED, secret.client, SYSTEM, now, after=after)
                mail_ended_secret(secret)
    return len(secrets)
