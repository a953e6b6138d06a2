"""Make a restored database safe to serve: no token and no session that was ended since the backup lives again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.management.color import no_style
from django.db import connection
from django.db.models import F, Max, Value
from django.db.models.functions import Greatest

from keys.validation.snapshot_names import client_name
from oauth.models import Client, RevokedToken, StatusList
from oauth.protocol.status_list import LIST_SIZE
from oauth.services.signing_keys import drop_signing_keys
from portal.audit import Actor, record, require_operator
from portal.audit_actions import AuditAction
from portal.models import Session
from portal.outbox import Propagation, change, together

CLOCK_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Settled:
    """How much was ended, and how far this has spread."""

    clients: int
    sessions: int
    propagation: Propagation


def settle_restore(*, by: Actor, now: datetime) -> Settled:
    """End every token and every session, and give no place in a status list a second time.

    All tokens end, since a backup does not know which were revoked after it; with them the signing keys, of which one
    may have been dropped. Running it twice ends what began in between, and does no other harm.
    """
    require_operator(by)
    with together() as everything:
        with change() as pending:
            # What was counted since the backup is not known. A number that follows the clock is past it, and past what
            # an earlier restore chose: nobody raises a generation or fills a status list each second for years.
            unused = (now - CLOCK_BEGAN) // timedelta(seconds=1)
            clients = _end_tokens(unused)
            _strike_status_lists(unused, now=now)
            sessions = Session.objects.all().delete()[0]
            after = {"clients": clients, "sessions": sessions}
            record(AuditAction.DATABASE_RESTORED, actor=by, at=now, after=after)
            pending.touch(*map(client_name, Client.objects.values_list("public_id", flat=True)))
        drop_signing_keys(by=by)
    return Settled(clients, sessions, everything.spread)


def _end_tokens(unused: int) -> int:
    """Begin a generation of each client that no token can have."""
    RevokedToken.objects.all().delete()
    return Client.objects.update(generation=Greatest(F("generation") + 1, Value(unused)), version=F("version") + 1)


def _strike_status_lists(unused: int, *, now: datetime) -> None:
    """Refuse all places of every list, and begin one whose number no list can have had."""
    StatusList.objects.update(next_slot=LIST_SIZE, struck_at=now)
    last = StatusList.objects.aggregate(last=Max("pk"))["last"] or 0
    StatusList.objects.create(pk=max(last + 1, unused))
    with connection.cursor() as cursor:  # what counts the numbers has not seen this one
        for statement in connection.ops.sequence_reset_sql(no_style(), [StatusList]):
            cursor.execute(statement)
