"""What the worker runs on schedule (portal/celery.py); each is a shell around a sweep, and returns how much it did.

One that did nothing leaves no line in the log (portal/operations/logs.py).
"""

from celery import shared_task
from django.utils import timezone

from oauth import sweeps


@shared_task
def rotate_signing_keys() -> int:
    """Publish the next signing keys where they are due."""
    return sweeps.rotate_keys(now=timezone.now())


@shared_task
def record_endings() -> int:
    """Write down which clients' secrets have ended."""
    return sweeps.record_endings(now=timezone.now())


@shared_task
def prune_tokens() -> int:
    """Drop what is remembered of tokens that have expired."""
    return sweeps.prune_tokens(now=timezone.now())
