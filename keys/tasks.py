"""What the worker runs on schedule (portal/celery.py); each is a shell around a sweep, and returns how much it did.

One that did nothing leaves no line in the log (portal/operations/logs.py).
"""

from celery import shared_task
from django.utils import timezone

from keys import notices, sweeps
from keys.validation.usage import queue
from portal import outbox


@shared_task
def record_endings() -> int:
    """Write down which keys have expired and which secrets have ended."""
    return sweeps.record_endings(now=timezone.now())


@shared_task
def write_notices() -> int:
    """Note whom to warn of a key that is about to expire."""
    return sweeps.write_notices(now=timezone.now())


@shared_task
def send_notices() -> int:
    """Mail what owners have not been told yet."""
    return notices.send_due(now=timezone.now())


@shared_task
def remind_invited() -> int:
    """Mail those whose invitations are about to end."""
    return sweeps.remind_invited(now=timezone.now())


@shared_task
def flush_outbox() -> int:
    """Tell the caches of changes whose own process could not."""
    return outbox.flush_outbox()


@shared_task
def fold_usage() -> int:
    """Add to the tables what web processes have counted."""
    return queue.work()


@shared_task
def prune_usage() -> int:
    """Drop counts that are older than the retention."""
    return sweeps.prune_usage(now=timezone.now())


@shared_task
def prune_leftovers() -> int:
    """Drop sessions that are over and forms that nobody sends any more."""
    return sweeps.prune_leftovers(now=timezone.now())
