"""The canary finds a secret wherever one could end up: else its silence in all other tests means nothing."""

import logging
import time
from base64 import b64encode

import pytest
import redis
from django.core.mail import send_mail
from pytest_django.fixtures import Settings

from keys.services.keys import IssuedKey
from portal.accounts.sessions import SessionStore
from portal.models import Organization
from tests.support.canary import Canary
from tests.support.environment import ON_SQLITE


def test_it_finds_part_of_a_secret_in_a_table(canary: Canary, issued: IssuedKey, acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(name=issued.secret_text[3:])
    assert canary.hits() == ["the table portal_organization"]
    Organization.objects.filter(pk=acme.pk).update(name="Acme")


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_it_finds_a_secret_within_base64(canary: Canary, issued: IssuedKey, acme: Organization, before: str) -> None:
    Organization.objects.filter(pk=acme.pk).update(name=b64encode(f"{before}{issued.secret_text}".encode()).decode())
    assert canary.hits() == ["the table portal_organization"]
    Organization.objects.filter(pk=acme.pk).update(name="Acme")


def test_it_finds_a_secret_in_a_session(canary: Canary, issued: IssuedKey) -> None:
    session = SessionStore()
    session["shown"] = issued.secret_text
    session.save()
    assert "a session" in canary.hits()  # encrypted, and so for nobody's eyes in the table
    session.delete()


def test_it_finds_a_secret_in_a_mail(canary: Canary, issued: IssuedKey, mailoutbox: list[object]) -> None:
    send_mail("Subject", f"Your key: {issued.secret_text}", "from@example.com", ["ada@example.com"])
    assert canary.hits() == ["a mail"]
    mailoutbox.clear()


def test_it_finds_the_naked_random_part_in_the_log(canary: Canary, issued: IssuedKey) -> None:
    random_part = issued.secret_text.rpartition("_")[2][:32]
    logging.getLogger("tests").debug("seen: %s", random_part)  # no shape that redaction could know
    assert canary.hits() == ["the log"]


def test_a_whole_secret_in_the_log_was_masked_before_it_was_written(canary: Canary, issued: IssuedKey) -> None:
    logging.getLogger("tests").debug("seen: %s", issued.secret_text)
    assert canary.hits() == []


@pytest.mark.skipif(ON_SQLITE, reason="embedded mode has no Valkey")
def test_it_finds_a_secret_that_reached_valkey(canary: Canary, issued: IssuedKey, settings: Settings) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        valkey.set("key", issued.secret_text)
        valkey.delete("key")
    deadline = time.monotonic() + 5
    while not (hits := canary.hits()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hits == ["a task's arguments or a command to Valkey"]
