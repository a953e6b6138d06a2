"""Celery tasks that run on schedule (portal/celery.py). Each runs one sweep, and returns how much it did.

A task that did nothing writes no line to the log (portal/operations/logs.py).
"""

from celery import shared_task
from django.utils import timezone

from oauth import sweeps


@shared_task
def rotate_signing_keys() -> int:
    """Publish the signing keys that are due, and erase old private halves."""
    return sweeps.rotate_keys(now=timezone.now())


@shared_task
def record_endings() -> int:
    """Do nothing: ``keys.tasks.record_endings`` records them, too. A scheduler of the last release still sends this."""
    return 0


@shared_task
def prune_tokens() -> int:
    """Delete revocations and status blocks whose tokens have expired."""
    return sweeps.prune_tokens(now=timezone.now())
