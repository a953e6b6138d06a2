"""Verify the audit trail against its seals. Reads only."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from portal.audit_seals import BEFORE_THE_FIRST, digest_of, head_of
from portal.models import AuditEvent, AuditSeal, UnsealedEvent

PAGE = 1_000

Heads = Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class Findings:
    """The result of a verification: the number of valid seals, the first break in words, and the unsealed events."""

    seals: int
    first_break: str
    unsealed: int
    oldest_unsealed_at: datetime | None


def verify_audit(*, heads: Heads) -> Findings:
    """Verify every chain. ``heads`` maps (organization id, seal number) to a hex digest kept outside the database."""
    with _one_snapshot():
        seals, first_break = 0, ""
        organizations = AuditSeal.objects.order_by("organization_id").values_list("organization_id", flat=True)
        for organization_id in list(organizations.distinct()):
            if not first_break:
                count, first_break = _check_chain(organization_id, heads)
                seals += count
        waiting = UnsealedEvent.objects.order_by("event__at").select_related("event")
        oldest = waiting.first()
        return Findings(
            seals,
            first_break or _never_sealed() or _missing_head(heads),
            waiting.count(),
            oldest.event.at if oldest else None,
        )


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """Read all tables in one snapshot, because sealing and pruning go on meanwhile.

    Not on SQLite, where a transaction would block all writers.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _check_chain(organization_id: str, heads: Heads) -> tuple[int, str]:
    """Return how many seals are valid, and the fault of the first invalid one in words."""
    previous: AuditSeal | None = None
    count = 0
    for seal in _seals_of(organization_id):
        fault = _fault(seal, previous) or _unlike_head(seal, heads)
        if fault:
            about = f", {seal.event.public_id}" if seal.event else ""
            return count, f"seal {seal.seq} of {_chain_words(organization_id)}{about}: {fault}"
        previous = seal
        count += 1
    return count, ""


def _seals_of(organization_id: str) -> Iterator[AuditSeal]:
    """Yield the chain's seals in order, loaded page by page."""
    seals = AuditSeal.objects.filter(organization_id=organization_id).select_related("event").order_by("seq")
    last = -1
    while page := list(seals.filter(seq__gt=last)[:PAGE]):
        yield from page
        last = page[-1].seq


def _fault(seal: AuditSeal, previous: AuditSeal | None) -> str:
    if previous is None and seal.event is None:
        return ""  # pruning kept this seal as the start of the chain
    if seal.seq != (previous.seq + 1 if previous else 1):
        return "the seals before it are missing"
    if seal.event is None:
        return "its event is missing"
    if seal.event.organization_id != seal.organization_id:
        return "its event is of another organization"
    if digest_of(seal.event, previous=bytes(previous.digest) if previous else BEFORE_THE_FIRST) != bytes(seal.digest):
        return "the event, or the seal, was changed"
    return ""


def _unlike_head(seal: AuditSeal, heads: Heads) -> str:
    kept = heads.get((seal.organization_id, seal.seq))
    return "the digest kept elsewhere is another" if kept not in (None, bytes(seal.digest).hex()) else ""


def _never_sealed() -> str:
    event = AuditEvent.objects.filter(seal=None, unsealed=None).order_by("pk").first()
    return f"{event.public_id}: the event was written past the triggers, and never sealed" if event else ""


def _missing_head(heads: Heads) -> str:
    for organization_id, seq in sorted(heads):
        head = head_of(organization_id)
        if head is None or head.seq < seq:
            return f"seal {seq} of {_chain_words(organization_id)}: it was kept elsewhere, and is gone"
    return ""


def _chain_words(organization_id: str) -> str:
    return organization_id or "what belongs to no organization"
