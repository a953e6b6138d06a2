"""Scheduled work in bounded batches; each sweep returns how many rows it handled. Concurrent or late runs are safe."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

from keys.models import ApiKey, Caller, Notice, Submission, Usage, UsageBatch
from keys.services.credential_type import credential_types
from keys.services.endings import record_ended_api_secrets, record_ended_secrets, record_expired_keys
from keys.validation.usage.tables import IDS_KEPT
from portal.jobs import enqueue_after_commit
from portal.models import Session
from portal.operations.sweep_runs import note_sweep
from portal.services import invitations

Row = TypeVar("Row", bound=Model)
BATCH = 200
DROPPED_AT_ONCE = 2_000  # nobody waits for locks on these rows, and a busy portal writes many in an hour
MAX_BATCHES = 50  # the next run does the rest
FORMS_STAY_OPEN = timedelta(days=30)
WARNINGS = {
    Notice.Kind.EXPIRES_IN_1_DAY: timedelta(days=1),
    Notice.Kind.EXPIRES_IN_7_DAYS: timedelta(days=7),
    Notice.Kind.EXPIRES_IN_30_DAYS: timedelta(days=30),
}


def record_endings(*, now: datetime) -> int:
    """Record expired keys and ended secrets of all types, each once, and have their owners notified."""
    endings: list[Callable[..., int]] = [record_expired_keys, record_ended_api_secrets]
    endings += [partial(record_ended_secrets, its) for its in credential_types()]
    recorded = sum(in_batches(partial(record, now=now)) for record in endings)
    enqueue_after_commit("keys.tasks.send_notices")
    note_sweep("record_endings", ended_at=now)
    return recorded


def write_notices(*, now: datetime) -> int:
    """Write a notice for each key that ends within 30 days, seven days or one day; one per key, period and end."""
    written = 0
    soon = ApiKey.objects.filter(expires_at__gt=now, revoked_at=None)
    for kind, ahead in WARNINGS.items():
        shorter = [other for other in WARNINGS.values() if other < ahead]
        after = now + max(shorter, default=timedelta(0))
        due = soon.filter(expires_at__gt=after, expires_at__lte=now + ahead).order_by("pk")
        last = 0
        while batch := list(due.filter(pk__gt=last).prefetch_related("notices")[:BATCH]):
            last = batch[-1].pk
            wanted = [
                Notice(key=key, kind=kind, about=key.expires_at.isoformat())
                for key in batch
                if key.expires_at and key.created_at <= key.expires_at - ahead and not _is_noted(key, kind)
            ]
            Notice.objects.bulk_create(wanted, ignore_conflicts=True)  # another sweep may have written the notice
            written += len(wanted)
    return written


def remind_invited(*, now: datetime) -> int:
    """Remind people whose invitations end soon, each once."""
    return in_batches(partial(invitations.remind_invited, now=now))


def prune_usage(*, now: datetime) -> int:
    """Delete usage and caller addresses past the retention, and ids of batches that cannot come again."""
    kept_since = now - settings.USAGE_RETENTION
    return (
        _drop(Usage.objects.filter(hour__lt=kept_since))
        + _drop(Caller.objects.filter(last_seen_at__lt=kept_since))
        + _drop(UsageBatch.objects.filter(folded_at__lt=now - IDS_KEPT))
    )


def prune_leftovers(*, now: datetime) -> int:
    """Delete expired sessions, and the ids of submitted forms that nobody can still have open."""
    sessions = _drop(Session.objects.filter(expire_date__lt=now))
    return sessions + _drop(Submission.objects.filter(created_at__lt=now - FORMS_STAY_OPEN))


def _drop(rows: QuerySet[Row]) -> int:
    def drop(*, limit: int) -> int:
        return rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:limit])).delete()[0]

    return in_batches(drop, of=DROPPED_AT_ONCE)


def in_batches(work: Callable[..., int], *, of: int = BATCH) -> int:
    """Repeat the work until it handles less than a batch, or MAX_BATCHES times; returns the number of rows.

    ``work`` takes ``limit`` and returns how many rows it handled.
    """
    done = 0
    for _ in range(MAX_BATCHES):
        rows = work(limit=of)
        done += rows
        if rows < of:
            break
    return done


def _is_noted(key: ApiKey, kind: Notice.Kind) -> bool:
    about = key.expires_at.isoformat() if key.expires_at else ""
    return any(notice.kind == kind and notice.about == about for notice in key.notices.all())
