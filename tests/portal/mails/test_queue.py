"""A mail is kept until a mail server has taken it; what it holds stays secret meanwhile."""

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from keys import expiry_mails
from keys.models import ApiKey, Notice
from keys.services.keys import IssuedKey
from portal import celery
from portal.audit import Actor
from portal.edge import lifespan
from portal.encryption import encrypt
from portal.env_types import VersionedKey
from portal.mails import queue
from portal.mails.queue import LATE_AFTER, send_due
from portal.models import Organization, QueuedMail, User
from portal.permissions import Role
from portal.services.invitations import invite
from tests.support.devservices import free_port
from tests.support.smtp_server import MailServer, mail_server
from tests.support.visitors import sign_up

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    """A mail server, and settings that lead to it as those of production do."""
    with mail_server() as running:
        settings.EMAIL_BACKEND = "portal.mails.queue.QueueBackend"
        settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def send(recipient: str, subject: str = "Hello") -> None:
    mail = EmailMultiAlternatives(subject, "The code is 424242.", to=[recipient])
    mail.attach_alternative("<p>The code is 424242.</p>", "text/html")
    mail.send()


def test_a_mail_is_sent_whole_and_forgotten(server: MailServer) -> None:
    send("ada@example.com")
    ((recipient, mail),) = server.taken
    assert (recipient, mail["Subject"], mail["To"]) == ("ada@example.com", "Hello", "ada@example.com")
    assert [part.get_content().strip() for part in mail.iter_parts()] == [
        "The code is 424242.",
        "<p>The code is 424242.</p>",
    ]
    assert not QueuedMail.objects.exists()


def test_a_sign_up_code_comes_though_the_server_puts_it_off_at_first(server: MailServer, client: Client) -> None:
    server.answers["new@example.com"] = [451]
    sign_up(client, "new@example.com")
    page = client.get("/accounts/confirm-email/")
    assert "is on its way to" in page.text
    assert "Send a new code" in page.text
    assert server.taken == []
    send_due(now=timezone.now())  # too early
    assert server.asked == ["new@example.com"]
    send_due(now=timezone.now() + MINUTE)
    assert re.search(r"\b\d{6}\b", server.taken[0][1].get_body(("plain",)).get_content())  # type: ignore[union-attr]


def test_an_invitation_comes_though_no_server_answers_at_first(
    server: MailServer, acme: Organization, as_ada: Actor, settings: Settings
) -> None:
    settings.EMAIL_PORT = free_port()
    invite(acme, ["new@example.com"], Role.VIEWER, by=as_ada)
    settings.EMAIL_PORT = server.port
    send_due(now=timezone.now() + MINUTE)
    assert server.recipients() == ["new@example.com"]


def test_what_the_server_refuses_for_good_is_tried_once(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    server.always["gone@example.com"] = 550
    send("gone@example.com")
    assert not QueuedMail.objects.exists()
    assert server.asked == ["gone@example.com"]
    assert "mail.not_taken" in caplog.text
    assert "gone@" not in caplog.text


def test_one_dead_mailbox_does_not_stop_the_next_persons_notice(
    server: MailServer, issued: IssuedKey, ben: User, now: datetime
) -> None:
    server.always["ada@example.com"] = 550
    key = issued.credential
    others = ApiKey.objects.create(
        organization=key.organization, api=key.api, name="ben's", environment="live", owner=ben, created_at=now
    )
    for number in range(expiry_mails.BATCH):
        Notice.objects.create(key=issued.credential, kind=Notice.Kind.SECRET_ENDED, about=f"sec_{number}")
    Notice.objects.create(key=others, kind=Notice.Kind.SECRET_ENDED, about="sec_x")
    for _ in range(2):
        expiry_mails.send_due(now=now)
    send_due(now=timezone.now())
    assert server.recipients() == ["ben@example.com"]
    assert not QueuedMail.objects.exists()


def test_who_is_put_off_is_asked_again_later_and_later_and_holds_nobody_up(server: MailServer, now: datetime) -> None:
    server.always["slow@example.com"] = 451
    with transaction.atomic():
        for number in range(3):
            send("slow@example.com", f"mail {number}")
        send("ada@example.com")
        connection.run_on_commit.clear()  # the worker got no word of them
    for minutes in (0, 0, 0.9, 1, 6):
        send_due(now=timezone.now() + minutes * MINUTE)
    assert server.recipients() == ["ada@example.com"]
    assert server.asked.count("slow@example.com") == 3  # once for all three, again after a minute, and after five


def test_while_no_server_answers_one_mail_is_tried_a_run(server: MailServer, settings: Settings) -> None:
    settings.EMAIL_PORT = free_port()
    with transaction.atomic():
        for name in ("ada", "ben", "cyn"):
            send(f"{name}@example.com")
        connection.run_on_commit.clear()
    send_due(now=timezone.now())
    assert sorted(QueuedMail.objects.values_list("attempts", flat=True)) == [0, 0, 1]
    settings.EMAIL_PORT = server.port
    send_due(now=timezone.now() + MINUTE)
    assert sorted(server.recipients()) == ["ada@example.com", "ben@example.com", "cyn@example.com"]


def test_a_mail_that_cannot_be_sent_for_three_days_is_given_up(server: MailServer) -> None:
    server.always["slow@example.com"] = 451
    send("slow@example.com")
    send_due(now=timezone.now() + 3 * DAY)
    assert not QueuedMail.objects.exists()


def test_a_queued_mail_holds_its_code_for_nobody_else_to_read(
    server: MailServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_on: list[object] = []
    monkeypatch.setattr(celery.app.tasks["portal.tasks.send_mail"], "delay", lambda *args: handed_on.append(args))
    with caplog.at_level(logging.DEBUG):
        send("ada@example.com")
    queued = QueuedMail.objects.get()
    assert handed_on == [(queued.pk,)]
    assert "424242" not in f"{queued.content} {caplog.text}"
    QueuedMail.objects.update(recipient="eve@example.com")  # what was written for ada is not sent to eve
    send_due(now=timezone.now())
    assert server.taken == []


def test_a_mail_waits_for_a_process_that_has_its_key(
    server: MailServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    old: VersionedKey = settings.ENCRYPTION_KEYS[0]
    new = VersionedKey("fresh", b"2" * 32)
    settings.ENCRYPTION_KEYS = [new, old]  # a web process has begun anew, the worker has not
    with transaction.atomic():
        send("ada@example.com")
        connection.run_on_commit.clear()
    settings.ENCRYPTION_KEYS = [old]
    send_due(now=timezone.now())
    assert QueuedMail.objects.get().attempts == 1
    assert "mail.unsendable" in caplog.text
    settings.ENCRYPTION_KEYS = [new, old]
    send_due(now=timezone.now() + MINUTE)
    assert server.recipients() == ["ada@example.com"]


def test_a_mail_that_breaks_holds_nobody_up_and_is_given_up_like_others(server: MailServer) -> None:
    with transaction.atomic():
        send("ada@example.com")
        send("ben@example.com")
        connection.run_on_commit.clear()
    broken = QueuedMail.objects.get(recipient="ada@example.com")
    broken.content = encrypt(b'{"unheard_of": 1}', bound_to="mail to ada@example.com")
    broken.save()
    send_due(now=timezone.now())
    assert server.recipients() == ["ben@example.com"]
    send_due(now=timezone.now() + 3 * DAY)
    assert not QueuedMail.objects.exists()


def test_a_slow_server_holds_the_worker_for_half_a_minute_and_each_claim_counts_from_its_own_time(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        for number in range(4):
            send("ada@example.com", f"mail {number}")
        connection.run_on_commit.clear()
    now, clock, claims = timezone.now(), [0.0], list[datetime]()

    def slowly(mail: QueuedMail) -> queue.Attempt:
        claims.append(mail.due_at)
        clock[0] += 20
        return queue.Attempt.SENT

    monkeypatch.setattr(queue, "_try", slowly)
    monkeypatch.setattr("portal.mails.queue.time.monotonic", lambda: clock[0])
    assert send_due(now=now) == 2
    assert claims == [now + queue.SENT_WITHIN + timedelta(seconds=passed) for passed in (0, 20)]
    assert server.taken == []


def test_what_is_rolled_back_is_not_mailed(server: MailServer) -> None:
    with transaction.atomic():
        send("ada@example.com")
        transaction.set_rollback(True)
    assert (server.asked, QueuedMail.objects.count()) == ([], 0)


def test_two_senders_at_once_send_a_mail_once(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction.atomic():
        send("ada@example.com")
        connection.run_on_commit.clear()
    mail = QueuedMail.objects.get()
    now = timezone.now()
    assert queue._claim(mail.pk, now) is not None
    assert queue._claim(mail.pk, now) is None
    send_due(now=now)
    assert server.taken == []
    send_due(now=now + queue.SENT_WITHIN)  # who claimed it is dead
    assert server.recipients() == ["ada@example.com"]


def test_web_processes_send_what_waits_while_the_worker_is_dead(server: MailServer) -> None:
    with transaction.atomic():
        send("ada@example.com")
        connection.run_on_commit.clear()
    assert queue.send_late_mails in lifespan._while_serving
    send_due(now=timezone.now(), late_by=LATE_AFTER)
    assert server.taken == []
    send_due(now=timezone.now() + LATE_AFTER, late_by=LATE_AFTER)
    assert server.recipients() == ["ada@example.com"]
