"""Rotating a pepper: every secret goes on working, and what is in use moves."""

import json
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from pytest_django import Settings

from keys.models import ApiSecret, KeySecret
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from keys.services.redigest import redigest
from keys.validation.http import validate
from keys.validation.peppers import PepperRotator
from portal.env_types import VersionedKey
from tests.support.asgi import ask
from tests.support.hot_path import using

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
NEW = VersionedKey("2", b"n" * 32)


@pytest.fixture
def pepper_rotator() -> Iterator[PepperRotator]:
    """A mover that has noticed nothing; it finishes before the database goes."""
    pepper_rotator = PepperRotator()
    pepper_rotator.register(redigest)
    with using(pepper_rotator=pepper_rotator):
        yield pepper_rotator
    pepper_rotator.stop()


def code_of(api_secret: IssuedApiSecret, issued: IssuedKey) -> str | int:
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {api_secret.secret_text}")]
    body = json.dumps({"credential": issued.secret_text}).encode()
    reply = ask(validate, "POST", "/v1/validate", headers=headers, body=body)
    return str(reply.json["code"]) if reply.status == 200 else reply.status


def test_a_pepper_is_rotated_under_secrets_in_use(
    api_secret: IssuedApiSecret, issued: IssuedKey, pepper_rotator: PepperRotator, settings: Settings
) -> None:
    (old,) = settings.KEY_PEPPERS
    settings.KEY_PEPPERS = (old, NEW)  # every process can read it
    assert code_of(api_secret, issued) == "VALID"
    assert KeySecret.objects.get(pk=issued.secret.pk).pepper_version == old.version
    settings.KEY_PEPPERS = (NEW, old)  # now it writes
    assert code_of(api_secret, issued) == "VALID"
    pepper_rotator.stop()
    assert KeySecret.objects.get(pk=issued.secret.pk).pepper_version == NEW.version
    assert ApiSecret.objects.get(pk=api_secret.secret.pk).pepper_version == NEW.version
    settings.KEY_PEPPERS = (NEW,)  # and the old one goes
    assert code_of(api_secret, issued) == "VALID"


def test_a_secret_under_a_retired_pepper_is_unknown(
    api_secret: IssuedApiSecret, issued: IssuedKey, settings: Settings
) -> None:
    settings.KEY_PEPPERS = (NEW,)
    assert code_of(api_secret, issued) == 401


def test_the_report_names_the_pepper_that_secrets_still_need(
    issued: IssuedKey, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.KEY_PEPPERS = (NEW,)
    call_command("peppers")
    assert capsys.readouterr().out.splitlines() == [
        "2: 0 key secrets, 0 API secrets",
        "1: 1 key secrets, 0 API secrets  NOT IN KEY_PEPPERS",
    ]
