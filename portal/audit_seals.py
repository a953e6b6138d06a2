"""Seal committed audit events in a hash chain per organization, so that a later change or removal is detected.

``digest = SHA-256(previous digest + event)``; before the first event, 32 zero bytes. The event is a JSON object of all
its columns, in ASCII: names sorted, no white space, other characters escaped as JSON does, ``at`` in UTC as
``2026-11-30T05:27:51.123456+00:00``, a missing address as ``null``.

A trigger queues each event in the event's own transaction. So an event that commits late is sealed late, and no event
is skipped, whatever its id. Only one sealer works at a time.
"""

import hashlib
import json
import logging
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from portal.edge.lifespan import repeat
from portal.models import AuditEvent, AuditSeal, UnsealedEvent
from portal.operations.sweep_runs import last_run, note_sweep

EVERY_S = 1.0
BATCH = 500
BEFORE_THE_FIRST = bytes(32)
LOCK = int.from_bytes(b"lk-seal")  # PostgreSQL's advisory lock of the sealer
HEADS_EVERY = timedelta(days=1)
HEADS = "log_audit_heads"
# All columns. A column added later must be included only if it is not empty; otherwise no digest of an earlier event
# would match.
SEALED_FIELDS = (
    "id", "public_id", "at", "action", "organization_id", "actor_kind", "actor_id", "actor_label", "subject_id",
    "subject_label", "address", "request_id", "before", "after",
)  # fmt: skip

log = logging.getLogger(__name__)


def digest_of(event: AuditEvent, *, previous: bytes) -> bytes:
    """Return the digest of the event's seal; ``previous`` is the digest of the seal before it."""
    values = {name: getattr(event, name) for name in SEALED_FIELDS}
    values["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode()).digest()


def seal_waiting_events(*, now: datetime) -> int:
    """Seal the oldest unsealed events, one batch at most; return how many. Return 0 if another process is sealing."""
    if not UnsealedEvent.objects.exists():
        return 0
    with transaction.atomic(durable=True):
        if not _try_lock_sealing():
            return 0
        waiting = list(UnsealedEvent.objects.select_related("event").order_by("pk")[:BATCH])
        AuditSeal.objects.bulk_create(_seals([each.event for each in waiting], now))
        UnsealedEvent.objects.filter(pk__in=[each.pk for each in waiting]).delete()
    return len(waiting)


async def seal_each_second() -> None:
    """Seal new events every second while this process serves."""
    await repeat(lambda: seal_waiting_events(now=timezone.now()), every_s=EVERY_S, failure="audit.not_sealed")


def log_heads(*, now: datetime) -> int:
    """Log, once a day, the last digest of each chain that grew since the last run; return how many.

    Operators keep these lines outside the database.
    """
    last = last_run(HEADS)
    if last is not None and last > now - HEADS_EVERY:
        return 0
    grown = AuditSeal.objects.order_by("organization_id")
    if last is not None:  # a seal may commit shortly after its time
        grown = grown.filter(sealed_at__gt=last - HEADS_EVERY)
    organizations = list(grown.values_list("organization_id", flat=True).distinct())
    for organization_id in organizations:
        if (head := head_of(organization_id)) is not None:
            extra = {"organization": organization_id, "seq": head.seq, "digest": bytes(head.digest).hex()}
            log.info("audit.head", extra=extra)
    note_sweep(HEADS, ended_at=now)
    return len(organizations)


def head_of(organization_id: str) -> AuditSeal | None:
    """Return the last seal of the organization's chain, or None."""
    return AuditSeal.objects.filter(organization_id=organization_id).order_by("-seq").first()


def _try_lock_sealing() -> bool:
    """Return True if no other process can seal until this transaction ends.

    On SQLite, an open write transaction is already exclusive.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _seals(events: list[AuditEvent], now: datetime) -> list[AuditSeal]:
    heads = {each: head_of(each) for each in {event.organization_id for event in events}}
    seals: list[AuditSeal] = []
    for event in events:
        head = heads[event.organization_id]
        digest = digest_of(event, previous=bytes(head.digest) if head else BEFORE_THE_FIRST)
        seq = head.seq + 1 if head else 1
        seal = AuditSeal(organization_id=event.organization_id, seq=seq, event=event, digest=digest, sealed_at=now)
        heads[event.organization_id] = seal
        seals.append(seal)
    return seals
