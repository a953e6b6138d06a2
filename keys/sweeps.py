"""What runs on schedule, in bounded batches. Two at once, or one that comes late, do no harm."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from keys.models import ApiKey, Notice, Usage
from keys.services.endings import record_ended_api_secrets, record_ended_key_secrets, record_expired_keys
from portal.jobs import enqueue_after_commit
from portal.sweep_runs import note_sweep

BATCH = 200
MAX_BATCHES = 50  # what is left waits for the next run
WARNINGS = {
    Notice.Kind.EXPIRES_IN_1_DAY: timedelta(days=1),
    Notice.Kind.EXPIRES_IN_7_DAYS: timedelta(days=7),
}


def record_endings(*, now: datetime) -> None:
    """Write down expired keys and ended secrets, each once, and have their owners told."""
    for record in (record_expired_keys, record_ended_key_secrets, record_ended_api_secrets):
        _in_batches(partial(record, now=now))
    enqueue_after_commit("keys.tasks.send_notices")
    note_sweep("record_endings", ended_at=now)


def write_notices(*, now: datetime) -> None:
    """Note each key that is within seven days, or one day, of its end; an instant is noted once."""
    soon = ApiKey.objects.filter(expires_at__gt=now, revoked_at=None)
    for kind, ahead in WARNINGS.items():
        shorter = [other for other in WARNINGS.values() if other < ahead]
        after = now + max(shorter, default=timedelta(0))
        due = soon.filter(expires_at__gt=after, expires_at__lte=now + ahead).order_by("pk")
        last = 0
        while batch := list(due.filter(pk__gt=last).prefetch_related("notices")[:BATCH]):
            last = batch[-1].pk
            Notice.objects.bulk_create(
                [
                    Notice(key=key, kind=kind, about=key.expires_at.isoformat())
                    for key in batch
                    if key.expires_at and key.created_at <= key.expires_at - ahead and not _is_noted(key, kind)
                ],
                ignore_conflicts=True,  # another sweep was first
            )


def prune_usage(*, now: datetime) -> None:
    """Drop counts past the retention."""
    old = Usage.objects.filter(hour__lt=now - settings.USAGE_RETENTION).order_by("pk")

    def drop(*, limit: int) -> int:
        return Usage.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]

    _in_batches(drop)


def _in_batches(work: Callable[..., int]) -> None:
    for _ in range(MAX_BATCHES):
        if work(limit=BATCH) < BATCH:
            return


def _is_noted(key: ApiKey, kind: Notice.Kind) -> bool:
    about = key.expires_at.isoformat() if key.expires_at else ""
    return any(notice.kind == kind and notice.about == about for notice in key.notices.all())
