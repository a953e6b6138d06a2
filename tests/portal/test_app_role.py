"""In production the processes' database role owns nothing: it cannot rewrite, wipe or unguard the audit trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from keys.models import Api, Environment, RevokeReason
from keys.services.credentials import revoke_credential
from keys.services.keys import KeySettings, issue_key
from portal.audit import COMMAND, Actor, record
from portal.audit_actions import AuditAction
from portal.audit_seals import seal_waiting_events
from portal.models import AuditEvent, AuditSeal, Organization
from portal.operations.retention import prune_audit

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles"),
]
DAY = timedelta(days=1)


@pytest.fixture
def role(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A role of this database alone, granted by the command."""
    name = f"app_of_{connection.settings_dict['NAME']}"
    monkeypatch.setenv("APP_ROLE_PASSWORD", "not 'a' secret")
    call_command("grant_app_role", name)
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """Let the code under test work with no more than the role may."""
    with connection.cursor() as cursor:
        cursor.execute(f'SET ROLE "{role}"')
        try:
            yield
        finally:
            cursor.execute("RESET ROLE")


def tell(at: datetime) -> None:
    with transaction.atomic():
        record(AuditAction.API_CREATED, actor=COMMAND, at=at)
    seal_waiting_events(now=at)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE portal_auditevent SET actor_label = 'nobody'",
        "DELETE FROM portal_auditevent",
        "TRUNCATE portal_auditevent CASCADE",
        "DROP TRIGGER audit_no_delete ON portal_auditevent",
        "ALTER TABLE portal_auditevent DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "UPDATE portal_auditseal SET seq = 1",
        "DELETE FROM portal_auditseal",
        "TRUNCATE portal_auditseal",
        "DROP TABLE portal_auditseal",
        "INSERT INTO portal_unsealedevent SELECT id FROM portal_auditevent",
        "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET latchkey.pruning = 'on'; DELETE FROM portal_auditseal; DELETE FROM portal_auditevent",
        "CREATE TABLE of_mine ()",
        "DELETE FROM django_migrations",
    ],
)
def test_the_role_cannot_touch_the_trail(role: str, now: datetime, statement: str) -> None:
    tell(now - 60 * DAY)
    info = connection.get_connection_params()
    with psycopg.connect(
        dbname=info["dbname"], host=info["host"], port=info["port"], user=role, password="not 'a' secret"
    ) as theirs:
        assert theirs.execute("SELECT count(*) FROM portal_auditevent").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.execute(statement)
    assert AuditEvent.objects.count() == AuditSeal.objects.count() == 1


def test_the_role_prunes_what_is_old_enough_and_nothing_younger(role: str, now: datetime) -> None:
    for age in (60, 29):
        tell(now - age * DAY)
    with acting_as(role):
        with connection.cursor() as cursor, pytest.raises(Exception, match="of the last 30 days are kept"):
            cursor.execute("SELECT prune_audit_chain('', 2)")
        assert prune_audit(before=now - 40 * DAY, now=now, by=COMMAND) == 1
        seal_waiting_events(now=now)
    call_command("verify_audit")
    assert AuditEvent.objects.count() == 2


def test_the_role_can_do_what_the_processes_do(role: str, acme: Organization, api: Api, as_ada: Actor) -> None:
    with acting_as(role):
        key = issue_key(acme, api, KeySettings("sync"), environment=Environment.LIVE, by=as_ada).credential
        revoke_credential(key, reason=RevokeReason.UNUSED, by=as_ada)
        call_command("verify_audit")
    assert AuditEvent.objects.filter(subject_id=key.public_id).count() == 2


def test_the_grant_can_be_repeated_and_is_refused_for_the_owner(role: str) -> None:
    call_command("grant_app_role", role)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone()
    with pytest.raises(CommandError, match="name another role"):
        call_command("grant_app_role", owner)
