"""Celery tasks of the portal, most of them scheduled in portal/celery.py; each returns how much it did."""

from celery import shared_task
from django.utils import timezone

from portal import audit_seals
from portal.mails import queue


@shared_task
def log_audit_heads() -> int:
    """Log the last digests of the audit trail, once a day."""
    return audit_seals.log_heads(now=timezone.now())


@shared_task
def send_mail(mail_id: int) -> int:
    """Send a mail that was just queued."""
    return queue.send_mail(mail_id, now=timezone.now())


@shared_task
def send_due_mails() -> int:
    """Send the mails that are due."""
    return queue.send_due(now=timezone.now())
