"""The worker's scheduled tasks (portal/celery.py). Each calls a sweep and returns how much it did.

A task that did nothing writes no log line (portal/operations/logs.py).
"""

from celery import shared_task
from django.utils import timezone

from keys import expiry_mails, sweeps
from keys.validation.usage import queue
from portal import outbox


@shared_task
def record_endings() -> int:
    """Record expired keys and ended secrets."""
    return sweeps.record_endings(now=timezone.now())


@shared_task
def write_notices() -> int:
    """Write notices for keys that expire soon."""
    return sweeps.write_notices(now=timezone.now())


@shared_task
def send_notices() -> int:
    """Mail the notices that were not sent yet."""
    return expiry_mails.send_due(now=timezone.now())


@shared_task
def remind_invited() -> int:
    """Remind people whose invitations end soon."""
    return sweeps.remind_invited(now=timezone.now())


@shared_task
def flush_outbox() -> int:
    """Invalidate the caches for changes whose own process could not."""
    return outbox.flush_outbox()


@shared_task
def fold_usage() -> int:
    """Add the usage counted by web processes to the tables."""
    return queue.work()


@shared_task
def prune_usage() -> int:
    """Delete usage that is older than the retention."""
    return sweeps.prune_usage(now=timezone.now())


@shared_task
def prune_leftovers() -> int:
    """Delete expired sessions and old form ids."""
    return sweeps.prune_leftovers(now=timezone.now())
