"""Delete audit events past their retention: the one way past the triggers, and it writes itself down."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from portal.audit import Actor, record
from portal.audit_actions import AuditAction
from portal.models import AuditEvent

BATCH = 5_000


def prune_audit(*, before: datetime, now: datetime, by: Actor) -> int:
    """Delete the events older than ``before``; returns how many. In batches, since each holds up those who write."""
    pruned = 0
    while deleted := _prune_batch(before=before, now=now, by=by):
        pruned += deleted
    return pruned


def _prune_batch(*, before: datetime, now: datetime, by: Actor) -> int:
    oldest = AuditEvent.objects.filter(at__lt=before).order_by("at", "pk").values("pk")[:BATCH]
    if not oldest.exists():
        return 0
    with transaction.atomic(durable=True):
        with _deletable():
            deleted, _ = AuditEvent.objects.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()
        if deleted:
            record(AuditAction.AUDIT_PRUNED, actor=by, at=now, after={"events": deleted, "before": before.isoformat()})
    return deleted


@contextmanager
def _deletable() -> Iterator[None]:
    """Put the trigger aside inside the open transaction: nobody else ever sees the table without it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute("ALTER TABLE portal_auditevent DISABLE TRIGGER audit_no_delete")
            yield
            cursor.execute("ALTER TABLE portal_auditevent ENABLE TRIGGER audit_no_delete")
            return
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = 'audit_no_delete'")
        (statement,) = cursor.fetchone()
        cursor.execute("DROP TRIGGER audit_no_delete")
        yield
        cursor.execute(statement)
