"""The audit trail shows what was done to it: chains of digests, checked by `manage.py verify_audit`."""

# ruff: noqa: S608  # all that stands in these statements is the tests' own

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction

from portal import audit_seals
from portal.audit import COMMAND, record
from portal.audit_actions import AuditAction
from portal.audit_seals import BEFORE_THE_FIRST, digest_of, log_heads, seal_waiting_events
from portal.edge import lifespan
from portal.models import AuditEvent, AuditSeal, Organization, UnsealedEvent
from portal.operations.retention import prune_audit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
DAY = timedelta(days=1)
ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles and no TRUNCATE")


def tell(at: datetime, organization_id: str = "org_a") -> AuditEvent:
    with transaction.atomic():
        return record(AuditAction.API_CREATED, actor=COMMAND, at=at, organization_id=organization_id, after={"é": 1.5})


def forge(*statements: str) -> None:
    """What the owner of the tables, or of the file, can do."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                cursor.execute(statement)
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        for statement in (*statements, *(sql for _, sql in triggers)):
            cursor.execute(statement)


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What `manage.py verify_audit` says, its complaint included."""

    def verify(**options: Any) -> str:
        try:
            call_command("verify_audit", **options)
        except CommandError as exc:
            return f"exit {exc.returncode}: {exc}"
        return capsys.readouterr().out

    return verify


@pytest.fixture
def sealed(now: datetime) -> list[AuditEvent]:
    """Three events of one organization and one of another, sealed."""
    events = [tell(now), tell(now, "org_b"), tell(now), tell(now)]
    assert seal_waiting_events(now=now) == 4
    return events


def test_an_event_is_sealed_once_and_the_trail_holds(
    sealed: list[AuditEvent], now: datetime, verified: Callable[..., str]
) -> None:
    assert seal_waiting_events(now=now) == 0
    assert list(AuditSeal.objects.filter(organization_id="org_a").values_list("seq", flat=True)) == [1, 2, 3]
    assert "No event waits for its seal.\n4 seals hold." in verified()


def test_an_event_that_commits_late_is_sealed_though_its_id_is_lower(sealed: list[AuditEvent], now: datetime) -> None:
    """Ids are given before a commit, and become visible in any order."""
    late, early = tell(now), tell(now)
    UnsealedEvent.objects.filter(pk=late.pk).delete()  # as if it were not committed yet
    assert seal_waiting_events(now=now) == 1
    UnsealedEvent.objects.create(event=late)
    assert seal_waiting_events(now=now) == 1
    assert AuditSeal.objects.get(event=late).seq == AuditSeal.objects.get(event=early).seq + 1


def test_one_run_seals_a_bounded_number(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_seals, "BATCH", 2)
    for _ in range(3):
        tell(now)
    assert [seal_waiting_events(now=now) for _ in range(3)] == [2, 1, 0]


def test_with_nothing_to_seal_one_query_is_made(
    now: datetime, django_assert_num_queries: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with django_assert_num_queries(1):
        seal_waiting_events(now=now)
    assert caplog.records == []


def test_every_column_of_an_event_is_under_the_seal(sealed: list[AuditEvent]) -> None:
    assert set(audit_seals.SEALED_FIELDS) == {field.attname for field in AuditEvent._meta.concrete_fields}
    event = AuditEvent.objects.get(pk=sealed[0].pk)
    digest = digest_of(event, previous=BEFORE_THE_FIRST)
    for name in audit_seals.SEALED_FIELDS:
        changed = AuditEvent.objects.get(pk=sealed[0].pk)
        value = getattr(changed, name)
        setattr(changed, name, value + DAY if name == "at" else f"{value}x")
        assert digest_of(changed, previous=BEFORE_THE_FIRST) != digest, name


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE portal_auditevent SET actor_label = 'nobody' WHERE id = {}", "was changed"),
        ("DELETE FROM portal_auditevent WHERE id = {}; ", "its event is missing"),
        ("DELETE FROM portal_auditseal WHERE event_id = {}", "the seals before it are missing"),
        ("UPDATE portal_auditseal SET seq = 9 WHERE event_id = {}", "are missing"),
        ("UPDATE portal_auditseal SET organization_id = 'org_c', seq = 1 WHERE event_id = {}", "missing"),
    ],
)
def test_what_was_changed_past_the_triggers_is_named(
    sealed: list[AuditEvent], verified: Callable[..., str], statement: str, complaint: str
) -> None:
    victim = sealed[2]
    seal = "UPDATE portal_auditseal SET event_id = NULL WHERE event_id = {}"
    statements = [statement] if "DELETE FROM portal_auditevent" not in statement else [seal, statement.rstrip("; ")]
    forge(*(each.format(victim.pk) for each in statements))
    said = verified()
    assert said.startswith("exit 1: The audit trail is broken at seal ")
    assert complaint in said


def test_a_row_forged_past_the_triggers_is_named(
    sealed: list[AuditEvent], now: datetime, verified: Callable[..., str]
) -> None:
    columns = ", ".join(name for name in audit_seals.SEALED_FIELDS if name not in {"id", "public_id"})
    forge(
        f"INSERT INTO portal_auditevent (public_id, {columns}) SELECT 'evt_forged', {columns}"
        f" FROM portal_auditevent WHERE id = {sealed[0].pk}"
    )
    assert seal_waiting_events(now=now) == 0
    assert "evt_forged: the event was written past the triggers" in verified()


def test_what_waits_for_its_seal_is_told_with_its_age(now: datetime, verified: Callable[..., str]) -> None:
    tell(now - timedelta(seconds=90))
    tell(now)
    said = verified()
    assert said.startswith("2 events wait for their seals, the oldest for 9")
    assert "0 seals hold." in said


def test_a_pruned_trail_holds(now: datetime, verified: Callable[..., str]) -> None:
    for age in (500, 450, 10, 1):
        tell(now - age * DAY)
    tell(now - 450 * DAY, "org_b")  # all that it has
    seal_waiting_events(now=now)
    assert prune_audit(before=now - 400 * DAY, now=now, by=COMMAND) == 3
    tell(now, "org_b")
    seal_waiting_events(now=now)
    assert list(AuditSeal.objects.filter(organization_id="org_b", event=None).values_list("seq", flat=True)) == [1]
    assert "seals hold." in verified()
    first_kept = AuditSeal.objects.get(organization_id="org_a", seq=3).event
    assert first_kept
    forge(f"UPDATE portal_auditevent SET after = '{{}}' WHERE id = {first_kept.pk}")
    assert first_kept.public_id in verified()


def test_heads_are_logged_once_a_day_and_tell_a_trail_that_was_cut_short(
    sealed: list[AuditEvent],
    now: datetime,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    verified: Callable[..., str],
) -> None:
    with caplog.at_level(logging.INFO, "portal.audit_seals"):
        for hours in (0, 23):
            log_heads(now=now + timedelta(hours=hours))
    lines = [record for record in caplog.records if record.getMessage() == "audit.head"]
    assert [(line.__dict__["organization"], line.__dict__["seq"]) for line in lines] == [("org_a", 3), ("org_b", 1)]
    kept = tmp_path / "kept.log"
    digest = lines[0].__dict__["digest"]
    kept.write_text(
        f'web-1  | {{"organization": "org_a", "seq": 3, "digest": "{digest}", "event": "audit.head"}}\nelse\n'
    )
    assert "4 seals hold." in verified(heads=kept)
    seal = "UPDATE portal_auditseal SET event_id = NULL WHERE seq = 3"
    forge(
        seal, "DELETE FROM portal_auditseal WHERE seq = 3", f"DELETE FROM portal_auditevent WHERE id = {sealed[3].pk}"
    )
    assert "3 seals hold." in verified()
    assert "seal 3 of org_a: it was kept elsewhere, and is gone" in verified(heads=kept)


def test_a_head_is_logged_though_the_worker_was_dead_for_a_week_after_the_chain_grew(
    sealed: list[AuditEvent], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    assert log_heads(now=now) == 2
    tell(now)
    seal_waiting_events(now=now + DAY)
    caplog.clear()
    with caplog.at_level(logging.INFO, "portal.audit_seals"):
        assert log_heads(now=now + 8 * DAY) == 2
        assert log_heads(now=now + 9 * DAY) == 0
    assert {(each.__dict__["organization"], each.__dict__["seq"]) for each in caplog.records} == {
        ("org_a", 4), ("org_b", 1),
    }  # fmt: skip


@ON_POSTGRESQL
@pytest.mark.parametrize("table", ["portal_auditevent", "portal_auditseal", "portal_unsealedevent"])
def test_the_trail_cannot_be_truncated(sealed: list[AuditEvent], table: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table} CASCADE")
    assert AuditEvent.objects.count() == AuditSeal.objects.count() == 4


def test_a_row_cannot_be_replaced(sealed: list[AuditEvent]) -> None:
    verb = "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT"
    names = ", ".join(name for name in audit_seals.SEALED_FIELDS if name != "actor_label")
    pk = sealed[0].pk
    for statement in (
        f"{verb} INTO portal_auditevent (actor_label, {names})"
        f" SELECT 'x', {names} FROM portal_auditevent WHERE id = {pk}",
        f"{verb} INTO portal_auditseal (id, organization_id, seq, event_id, digest, sealed_at)"
        f" SELECT id, organization_id, seq, event_id, digest, sealed_at FROM portal_auditseal WHERE event_id = {pk}",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert not AuditEvent.objects.filter(actor_label="x").exists()


@pytest.mark.parametrize("statement", ["UPDATE portal_auditseal SET seq = seq + 9", "DELETE FROM portal_auditseal"])
def test_a_seal_cannot_be_changed(sealed: list[AuditEvent], statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_one_process_seals_at_a_time(now: datetime) -> None:
    tell(now)
    if connection.vendor != "postgresql":
        assert seal_waiting_events(now=now) == 1  # a transaction is the only writer
        return
    other = connections.create_connection("default")
    try:
        with transaction.atomic(using="default"), other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [audit_seals.LOCK])
        assert seal_waiting_events(now=now) == 0
        with other.cursor() as cursor:  # the server lets go of a closed connection's lock a moment later
            cursor.execute("SELECT pg_advisory_unlock(%s)", [audit_seals.LOCK])
    finally:
        other.close()
    assert seal_waiting_events(now=now) == 1
    assert Organization.objects.count() == 0


def test_a_serving_process_seals_by_itself(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve() -> None:
        sealing = asyncio.create_task(audit_seals.seal_each_second())
        async with asyncio.timeout(30):
            while await asyncio.to_thread(_waits):
                pass
        sealing.cancel()

    def _waits() -> bool:
        try:
            return UnsealedEvent.objects.exists()
        finally:
            connection.close()

    monkeypatch.setattr(audit_seals, "EVERY_S", 0)
    assert audit_seals.seal_each_second in lifespan._while_serving
    tell(now)
    asyncio.run(serve())
    assert AuditSeal.objects.count() == 1
