"""What the worker runs on schedule (portal/celery.py); each is a shell around a sweep."""

from celery import shared_task
from django.utils import timezone

from keys import notices, sweeps
from keys.validation import usage_queue
from portal import outbox


@shared_task
def record_endings() -> None:
    """Write down which keys have expired and which secrets have ended."""
    sweeps.record_endings(now=timezone.now())


@shared_task
def write_notices() -> None:
    """Note whom to warn of a key that is about to expire."""
    sweeps.write_notices(now=timezone.now())


@shared_task
def send_notices() -> None:
    """Mail what owners have not been told yet."""
    notices.send_due(now=timezone.now())


@shared_task
def remind_invited() -> None:
    """Mail those whose invitations are about to end."""
    sweeps.remind_invited(now=timezone.now())


@shared_task
def flush_outbox() -> None:
    """Tell the caches of changes whose own process could not."""
    outbox.flush_outbox()


@shared_task
def fold_usage() -> None:
    """Add to the tables what web processes have counted."""
    usage_queue.work()


@shared_task
def prune_usage() -> None:
    """Drop counts that are older than the retention."""
    sweeps.prune_usage(now=timezone.now())


@shared_task
def prune_leftovers() -> None:
    """Drop sessions that are over and forms that nobody sends any more."""
    sweeps.prune_leftovers(now=timezone.now())
