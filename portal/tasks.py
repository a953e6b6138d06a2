"""What the worker runs on schedule (portal/celery.py), and mails as they are queued; each says how much it did."""

from celery import shared_task
from django.utils import timezone

from portal import audit_seals
from portal.mails import queue


@shared_task
def log_audit_heads() -> int:
    """Once a day, log the last digests of the audit trail."""
    return audit_seals.log_heads(now=timezone.now())


@shared_task
def send_mail(mail_id: int) -> int:
    """Send a mail that was just queued."""
    return queue.send_mail(mail_id, now=timezone.now())


@shared_task
def send_due_mails() -> int:
    """Send the mails whose time has come."""
    return queue.send_due(now=timezone.now())
