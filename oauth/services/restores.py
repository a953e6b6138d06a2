"""Make a restored database safe to serve: no token or session that ended after the backup becomes valid again."""

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
from portal.outbox import Propagation, batch_changes, change

CLOCK_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Settled:
    """The number of clients and sessions that were affected, and the propagation."""

    clients: int
    sessions: int
    propagation: Propagation


def settle_restore(*, by: Actor, now: datetime) -> Settled:
    """End every token and every session, and make sure that no status index is used twice.

    All tokens end, since a backup does not contain later revocations. All signing keys are dropped, since one of them
    may have been dropped after the backup. A second run only ends tokens and sessions that began after the first.
    """
    require_operator(by)
    with batch_changes() as everything:
        with change() as pending:
            # Generations and list numbers of the time since the backup are unknown. Seconds since 2026 exceed them, and
            # exceed the number of an earlier restore: no client raises its generation each second for years, and no
            # status list is filled each second.
            unused = (now - CLOCK_BEGAN) // timedelta(seconds=1)
            clients = _end_tokens(unused)
            _strike_status_lists(unused, now=now)
            sessions = Session.objects.all().delete()[0]
            after = {"clients": clients, "sessions": sessions}
            record(AuditAction.DATABASE_RESTORED, actor=by, at=now, after=after)
            pending.invalidates(*map(client_name, Client.objects.values_list("public_id", flat=True)))
        drop_signing_keys(by=by)
    return Settled(clients, sessions, everything.spread)


def _end_tokens(unused: int) -> int:
    """Start a generation of each client that no issued token can have."""
    RevokedToken.objects.all().delete()
    return Client.objects.update(generation=Greatest(F("generation") + 1, Value(unused)), version=F("version") + 1)


def _strike_status_lists(unused: int, *, now: datetime) -> None:
    """Refuse all indexes of every list, and start a list with a number that no list can have had."""
    StatusList.objects.update(next_slot=LIST_SIZE, struck_at=now)
    last = StatusList.objects.aggregate(last=Max("pk"))["last"] or 0
    StatusList.objects.create(pk=max(last + 1, unused))
    with connection.cursor() as cursor:  # an explicit pk does not advance the sequence, which could give it out again
        for statement in connection.ops.sequence_reset_sql(no_style(), [StatusList]):
            cursor.execute(statement)
