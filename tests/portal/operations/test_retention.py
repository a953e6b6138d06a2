"""Audit events past their retention go; nothing else gets past the triggers."""

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from portal.audit import COMMAND, record
from portal.audit_actions import AuditAction
from portal.audit_seals import seal_waiting_events
from portal.models import AuditEvent, AuditSeal
from portal.operations import retention
from portal.operations.retention import prune_audit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
DAY = timedelta(days=1)
OLD, KEPT = 60 * DAY, 40 * DAY


def tell(at: datetime) -> AuditEvent:
    with transaction.atomic():
        event = record(AuditAction.API_CREATED, actor=COMMAND, at=at)
    seal_waiting_events(now=at)
    return event


def test_what_is_older_goes_and_the_rest_stays(now: datetime) -> None:
    old, exact, young = tell(now - OLD), tell(now - KEPT), tell(now)
    assert prune_audit(before=now - KEPT, now=now, by=COMMAND) == 1
    left = set(AuditEvent.objects.values_list("public_id", flat=True))
    assert {exact.public_id, young.public_id} < left
    assert old.public_id not in left


def test_pruning_writes_itself_down(now: datetime) -> None:
    for _ in range(3):
        tell(now - OLD)
    prune_audit(before=now - KEPT, now=now, by=COMMAND)
    (event,) = AuditEvent.objects.all()
    assert (event.action, event.actor_kind, event.after["events"]) == (AuditAction.AUDIT_PRUNED, "command", 3)


def test_with_nothing_to_prune_nothing_is_written(now: datetime) -> None:
    tell(now)
    assert prune_audit(before=now - KEPT, now=now, by=COMMAND) == 0
    assert AuditEvent.objects.count() == 1


def test_many_go_in_batches_each_with_its_own_record(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        tell(now - OLD)
    assert prune_audit(before=now - KEPT, now=now, by=COMMAND) == 5
    assert sorted(event.after["events"] for event in AuditEvent.objects.all()) == [1, 2, 2]


def test_afterwards_the_triggers_stand_again(now: datetime) -> None:
    tell(now - OLD)
    prune_audit(before=now - KEPT, now=now, by=COMMAND)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.all().delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.update(actor_label="nobody")


def test_a_pruning_that_fails_leaves_events_and_triggers_as_they_were(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    tell(now - OLD)
    monkeypatch.setattr(retention, "record", fail)
    with pytest.raises(RuntimeError):
        prune_audit(before=now - KEPT, now=now, by=COMMAND)
    assert AuditEvent.objects.count() == 1
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.all().delete()


def test_the_command_keeps_what_the_setting_says(now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    tell(now - 401 * DAY)
    tell(now - 399 * DAY)
    call_command("prune_audit")
    assert "1 audit events deleted; those of the last 400 days stay." in capsys.readouterr().out
    assert AuditEvent.objects.filter(action=AuditAction.API_CREATED).count() == 1


def test_an_event_that_has_no_seal_yet_stays(now: datetime) -> None:
    with transaction.atomic():
        record(AuditAction.API_CREATED, actor=COMMAND, at=now - OLD)
    assert prune_audit(before=now - KEPT, now=now, by=COMMAND) == 0


def test_an_old_event_behind_a_younger_one_stays_until_that_one_goes(now: datetime) -> None:
    """Chains lose their beginning alone."""
    tell(now - KEPT)
    tell(now - OLD)
    assert prune_audit(before=now - KEPT, now=now, by=COMMAND) == 0
    assert prune_audit(before=now - KEPT + DAY, now=now, by=COMMAND) == 2


def test_a_second_pruning_goes_on_where_the_first_ended(now: datetime) -> None:
    for age in (OLD, KEPT):
        tell(now - age)
    assert prune_audit(before=now - KEPT, now=now, by=COMMAND) == 1
    assert prune_audit(before=now - KEPT + DAY, now=now, by=COMMAND) == 1
    seal = AuditSeal.objects.get()
    assert (seal.seq, seal.event) == (2, None)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is pruned by whoever has the file")
def test_what_is_younger_than_the_least_retention_is_never_deleted(now: datetime) -> None:
    for age in (OLD, 29 * DAY):
        tell(now - age)
    with pytest.raises(DatabaseError, match="of the last 30 days are kept"):
        prune_audit(before=now, now=now, by=COMMAND)
    assert AuditEvent.objects.count() == 2
