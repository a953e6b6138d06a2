"""Sweeps record what the clock has ended and tell owners once; no verdict waits for them."""

import threading
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from keys import expiry_mails, sweeps
from keys.models import Api, ApiKey, Caller, Environment, Notice, RevokeReason, Submission, Usage
from keys.services.api_secrets import IssuedApiSecret, roll_api_secret
from keys.services.credentials import revoke_credential
from keys.services.keys import IssuedKey, KeySettings, edit_key, issue_key
from keys.services.secrets import end_old_secret, roll_credential
from portal.audit import COMMAND, Actor
from portal.models import AuditEvent, Membership, Organization, Session, User
from portal.operations.sweep_runs import last_sweep

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
pytestmark = pytest.mark.both_databases


@pytest.fixture
def ending(acme: Organization, api: Api, as_ada: Actor, now: datetime) -> ApiKey:
    """A key of ada's that ends in 30 days."""
    wanted = KeySettings("checkout", scopes=["orders:read"], expires_at=now + 30 * DAY)
    return issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada).credential


def _events(action: str) -> list[str]:
    return list(AuditEvent.objects.filter(action=action).values_list("subject_id", flat=True))


def _sweep(at: datetime) -> None:
    sweeps.record_endings(now=at)
    sweeps.write_notices(now=at)
    expiry_mails.send_due(now=timezone.now())  # it counts from when a notice was written, which no test can move


def test_an_expired_key_is_recorded_and_its_owner_told_once(ending: ApiKey, now: datetime) -> None:
    for _ in range(2):
        _sweep(now + 30 * DAY)
    assert _events("key.expired") == [ending.public_id]
    assert [message.subject for message in mail.outbox] == ["checkout has expired"]
    assert mail.outbox[0].to == ["ada@example.com"]


def test_a_name_is_only_ever_text_in_a_mail(ending: ApiKey, now: datetime) -> None:
    hostile = "A & <img src=x onerror=alert(1)>{{7*7}}"
    ApiKey.objects.filter(pk=ending.pk).update(name=hostile)
    _sweep(now + 30 * DAY)
    (message,) = mail.outbox
    assert hostile in message.body
    assert hostile in message.subject
    (html,) = [str(alternative[0]) for alternative in message.alternatives]  # type: ignore[attr-defined]  # it has two
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}}" in html


def test_a_key_that_has_not_ended_is_left_alone(ending: ApiKey, now: datetime) -> None:
    _sweep(now + 30 * DAY - timedelta(seconds=1))
    assert _events("key.expired") == []


def test_a_revoked_key_that_expires_is_nobodys_news(ending: ApiKey, as_ada: Actor, now: datetime) -> None:
    revoke_credential(ending, reason=RevokeReason.UNUSED, by=as_ada)
    _sweep(now + 31 * DAY)
    assert (_events("key.expired"), mail.outbox) == ([], [])


def test_a_retired_secret_that_ends_is_recorded_and_its_owner_told_once(
    issued: IssuedKey, as_ada: Actor, now: datetime
) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    for _ in range(2):
        _sweep(now + 2 * HOUR)
    assert _events("key.secret_ended") == [issued.credential.public_id]
    assert [message.subject for message in mail.outbox] == ["An old secret of billing worker has ended"]
    assert f"http://localhost:8000/app/keys/{issued.credential.public_id}/roll/" in mail.outbox[0].body
    assert "Roll the key" in mail.outbox[0].message().as_string()


def test_a_secret_that_a_person_ended_is_not_recorded_again(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    end_old_secret(issued.credential, issued.secret, by=as_ada)
    _sweep(now + 2 * HOUR)
    assert (_events("key.secret_ended"), mail.outbox) == ([issued.credential.public_id], [])


def test_a_roll_without_overlap_leaves_nothing_to_record(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    roll_credential(issued.credential, overlap=timedelta(0), by=as_ada)
    _sweep(now + 2 * HOUR)
    assert (_events("key.secret_ended"), mail.outbox) == ([], [])


def test_a_retired_api_secret_that_ends_is_recorded_once(api_secret: IssuedApiSecret, now: datetime) -> None:
    roll_api_secret(api_secret.secret, overlap=HOUR, by=COMMAND)
    for _ in range(2):
        _sweep(now + 2 * HOUR)
    assert _events("api_secret.ended") == [api_secret.secret.public_id]


@pytest.mark.parametrize(
    ("left", "kinds"),
    [
        (7 * DAY + HOUR, []),
        (7 * DAY, ["expires_in_7_days"]),
        (DAY + HOUR, ["expires_in_7_days"]),
        (DAY, ["expires_in_1_day"]),
        (HOUR, ["expires_in_1_day"]),
        (timedelta(0), []),
    ],
)
def test_an_owner_is_warned_seven_days_and_one_day_before(
    ending: ApiKey, now: datetime, left: timedelta, kinds: list[str]
) -> None:
    for _ in range(2):
        sweeps.write_notices(now=now + 30 * DAY - left)
    assert list(Notice.objects.values_list("kind", flat=True)) == kinds


@pytest.mark.parametrize(("left", "kinds"), [(30 * DAY + HOUR, []), (30 * DAY, ["expires_in_30_days"])])
def test_an_owner_is_warned_thirty_days_before(
    ending: ApiKey, now: datetime, left: timedelta, kinds: list[str]
) -> None:
    ApiKey.objects.update(expires_at=now + 90 * DAY)
    for _ in range(2):
        sweeps.write_notices(now=now + 90 * DAY - left)
        expiry_mails.send_due(now=timezone.now())
    assert list(Notice.objects.values_list("kind", flat=True)) == kinds
    assert [message.subject[:20] for message in mail.outbox] == ["checkout expires on "] * len(kinds)


def test_a_warning_says_when_and_where_to_look(ending: ApiKey, now: datetime) -> None:
    _sweep(now + 23 * DAY)
    message = mail.outbox[0]
    assert message.subject.startswith("checkout expires on ")
    assert f"http://localhost:8000/app/keys/{ending.public_id}/edit/" in message.body  # a roll would not extend it
    assert "Extend the key" in message.message().as_string()
    assert "text/html" in message.message().as_string()


def test_a_key_that_lives_for_three_days_is_not_said_to_end_in_seven(
    acme: Organization, api: Api, as_ada: Actor, now: datetime
) -> None:
    wanted = KeySettings("short", expires_at=now + 3 * DAY)
    issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada)
    sweeps.write_notices(now=now + HOUR)
    assert not Notice.objects.exists()


def test_an_extended_key_is_warned_of_again(ending: ApiKey, as_ada: Actor, now: datetime) -> None:
    sweeps.write_notices(now=now + 24 * DAY)
    edit_key(ending, KeySettings("checkout", scopes=["orders:read"], expires_at=now + 33 * DAY), by=as_ada)
    sweeps.write_notices(now=now + 27 * DAY)
    assert Notice.objects.count() == 2


def test_a_notice_about_a_key_that_was_extended_meanwhile_is_not_mailed(
    ending: ApiKey, as_ada: Actor, now: datetime
) -> None:
    sweeps.write_notices(now=now + 24 * DAY)
    edit_key(ending, KeySettings("checkout", scopes=["orders:read"], expires_at=now + 90 * DAY), by=as_ada)
    expiry_mails.send_due(now=now + DAY)
    assert mail.outbox == []


def test_when_the_keys_owner_has_left_the_organizations_owners_are_told(
    ending: ApiKey, ada: User, acme: Organization, dov: User, now: datetime
) -> None:
    Membership.objects.filter(user=ada).delete()
    Membership.objects.create(organization=acme, user=dov, role="owner")
    _sweep(now + 30 * DAY)
    assert mail.outbox[0].to == ["dov@example.com"]


def test_old_counts_are_dropped_and_younger_ones_kept(issued: IssuedKey, now: datetime) -> None:
    for age in (119, 121):
        at = now - age * DAY
        Usage.objects.create(secret_id="sec_x", key=issued.credential, hour=at, code="VALID", count=1)
        Caller.objects.create(key=issued.credential, address=f"203.0.113.{age}", last_seen_at=at)
    sweeps.prune_usage(now=now)
    assert Usage.objects.get().hour == Caller.objects.get().last_seen_at == now - 119 * DAY


def test_sessions_that_are_over_and_forms_long_sent_are_dropped(db: None, now: datetime) -> None:
    for ends, age in ((-DAY, 31), (DAY, 29)):
        Session.objects.create(session_key=str(age), expire_date=now + ends, created_at=now, seen_at=now)
        Submission.objects.create(token=uuid4(), subject_id=str(age))
        Submission.objects.filter(subject_id=str(age)).update(created_at=now - age * DAY)
    sweeps.prune_leftovers(now=now)
    assert (Session.objects.get().session_key, Submission.objects.get().subject_id) == ("29", "29")


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_record_one_expiry_and_send_one_mail(ending: ApiKey, now: datetime) -> None:
    def sweep() -> None:
        try:
            _sweep(now + 30 * DAY)
        finally:
            connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _sweep(now + 30 * DAY)  # what the others had locked
    assert _events("key.expired") == [ending.public_id]
    assert len(mail.outbox) == 1


def test_a_sweep_that_went_through_is_noted_once(db: None, now: datetime) -> None:
    for at in (now, now + HOUR):
        sweeps.record_endings(now=at)
    assert last_sweep() == now + HOUR
