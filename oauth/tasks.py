"""What the worker runs on schedule (portal/celery.py); each is a shell around a sweep."""

from celery import shared_task
from django.utils import timezone

from oauth import sweeps


@shared_task
def rotate_signing_keys() -> None:
    """Publish the next signing keys where they are due."""
    sweeps.rotate_keys(now=timezone.now())


@shared_task
def record_endings() -> None:
    """Write down which clients' secrets have ended."""
    sweeps.record_endings(now=timezone.now())


@shared_task
def prune_tokens() -> None:
    """Drop what is remembered of tokens that have expired."""
    sweeps.prune_tokens(now=timezone.now())
