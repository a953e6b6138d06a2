"""What the worker runs on schedule (portal/celery.py), and mails as soon as they are queued."""

from celery import shared_task
from django.utils import timezone

from portal import audit_seals, mail_queue


@shared_task
def log_audit_heads() -> None:
    """Once a day, log the last digests of the audit trail."""
    audit_seals.log_heads(now=timezone.now())


@shared_task
def send_mail(mail_id: int) -> None:
    """Send a mail that was just queued."""
    mail_queue.send_mail(mail_id, now=timezone.now())


@shared_task
def send_due_mails() -> None:
    """Send the mails whose time has come."""
    mail_queue.send_due(now=timezone.now())
