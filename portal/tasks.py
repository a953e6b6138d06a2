"""What the worker runs on schedule (portal/celery.py)."""

from celery import shared_task
from django.utils import timezone

from portal import audit_seals


@shared_task
def log_audit_heads() -> None:
    """Once a day, log the last digests of the audit trail."""
    audit_seals.log_heads(now=timezone.now())
