"""Delete audit events past their retention: the only way around the triggers, and itself audited.

A chain is pruned from its beginning, as long as all events are old enough. The last pruned seal stays without its
event, because the rest of the chain is verified from its digest.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile

from django.db import connection, transaction

from portal.audit import Actor, record
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, AuditSeal

BATCH = 5_000
GUARDS = ("audit_no_delete", "audit_seal_no_delete")  # SQLite's triggers on DELETE


def prune_audit(*, before: datetime, now: datetime, by: Actor) -> int:
    """Delete sealed events older than ``before``; return how many. Each batch writes its own audit event.

    PostgreSQL refuses to delete events younger than 30 days.
    """
    return sum(_prune(ends, before=before, now=now, by=by) for ends in _batches(before))


def _batches(before: datetime) -> Iterator[Mapping[str, int]]:
    """Yield, for each organization, the seal up to which its chain is pruned; at most ``BATCH`` events at a time."""
    ends: dict[str, int] = {}
    room = BATCH
    organizations = AuditEvent.objects.filter(at__lt=before).values_list("organization_id", flat=True)
    for organization_id in list(organizations.order_by("organization_id").distinct()):
        last = 0
        while old := _old_seals(organization_id, before=before, after=last, limit=room):
            last = ends[organization_id] = old[-1]
            room -= len(old)
            if not room:
                yield ends
                ends, room = {}, BATCH
    if ends:
        yield ends


def _old_seals(organization_id: str, *, before: datetime, after: int, limit: int) -> list[int]:
    """Return the numbers of the next seals, up to the first one whose event is not old enough."""
    seals = AuditSeal.objects.filter(organization_id=organization_id, seq__gt=after, event__isnull=False)
    page = seals.order_by("seq").values_list("seq", "event__at")[:limit]
    return [seq for seq, _ in takewhile(lambda seal: seal[1] < before, page)]


def _prune(ends: Mapping[str, int], *, before: datetime, now: datetime, by: Actor) -> int:
    with transaction.atomic(durable=True):
        pruned = sum(_prune_chain(organization_id, up_to=seq) for organization_id, seq in ends.items())
        if pruned:
            record(AuditAction.AUDIT_PRUNED, actor=by, at=now, after={"events": pruned, "before": before.isoformat()})
    return pruned


def _prune_chain(organization_id: str, *, up_to: int) -> int:
    """Delete the beginning of a chain, keep its last seal without the event; return how many events were deleted."""
    if connection.vendor == "postgresql":  # a function of the tables' owner: the calling role cannot delete
        with connection.cursor() as cursor:
            cursor.execute("SELECT prune_audit_chain(%s, %s)", [organization_id, up_to])
            return int(cursor.fetchone()[0])
    chain = AuditSeal.objects.filter(organization_id=organization_id, seq__lte=up_to)
    last = chain.filter(seq=up_to, event__isnull=False).first()
    if last is None:  # another process pruned first
        return 0
    with _guards_aside():
        events = list(chain.filter(event__isnull=False).values_list("event_id", flat=True))
        chain.delete()
        deleted, _ = AuditEvent.objects.filter(pk__in=events).delete()
    AuditSeal.objects.create(
        organization_id=organization_id, seq=up_to, digest=bytes(last.digest), sealed_at=last.sealed_at
    )
    return deleted


@contextmanager
def _guards_aside() -> Iterator[None]:
    """Drop SQLite's triggers for the block, inside the open transaction: no other connection sees them missing."""
    with connection.cursor() as cursor:
        statements = {}
        for name in GUARDS:
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s", [name])
            (statements[name],) = cursor.fetchone()
            cursor.execute(f"DROP TRIGGER {name}")
        yield
        for statement in statements.values():
            cursor.execute(statement)
