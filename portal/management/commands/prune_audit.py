"""``manage.py prune_audit``: delete audit events past ``AUDIT_RETENTION_DAYS``."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.audit import COMMAND
from portal.operations.retention import prune_audit


class Command(BaseCommand):
    """Delete audit events that are past their retention, and audit the deletion."""

    help = "Delete audit events past their retention (AUDIT_RETENTION_DAYS); the deletion is itself an audit event."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Delete, and print how many."""
        now = timezone.now()
        pruned = prune_audit(before=now - settings.AUDIT_RETENTION, now=now, by=COMMAND)
        self.stdout.write(
            f"{pruned} audit events deleted; those of the last {settings.AUDIT_RETENTION.days} days stay."
        )
