"""Asking again who it is: when, by what, and what is kept meanwhile."""

import json
from datetime import datetime, timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.test import Client, RequestFactory

from portal.models import User
from portal.reauthentication import HELD, is_recent, page_around
from tests.portal.accounts.test_second_factor import ACTIVATE, DEACTIVATE, set_up
from tests.support.totp import code_of
from tests.support.visitors import PASSWORD, sign_in, sign_up

pytestmark = pytest.mark.django_db
EMAIL, AGAIN, CODE_AGAIN = "/accounts/email/", "/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/"
LATER = timedelta(minutes=16)
FIRST_PASSWORD = "/accounts/password/set/"
NEW_ADDRESS = {"action_add": "", "email": "eve@example.org"}


@pytest.mark.parametrize(
    ("method", "at", "factor_since", "recent"),
    [
        ("password", 0, None, True),
        ("password", -899, None, True),
        ("password", -900, None, False),
        ("password", 60, None, False),  # a clock that was put back proves nothing
        ("mfa", -899, -5000.0, True),
        ("mfa", -901, -5000.0, False),
        ("password", -10, -5000.0, False),  # a password where there is a second factor
        ("password", -10, -5.0, True),  # which was set up since
    ],
)
def test_what_was_shown_counts_for_15_minutes_if_it_was_all_that_could_be_asked(
    method: str, at: int, factor_since: float | None, recent: bool
) -> None:
    now = 1_000_000.0
    since = now + factor_since if factor_since is not None else None
    assert is_recent([{"method": method, "at": now + at}], factor_since=since, now=now) is recent


def test_nothing_is_asked_right_after_the_sign_in(client: Client, eve: User) -> None:
    sign_in(client, "eve@example.com")
    assert client.get(ACTIVATE).status_code == 200


def test_nothing_is_asked_right_after_the_sign_up(client: Client) -> None:
    sign_up(client, "new@example.com")
    client.post("/accounts/confirm-email/", {"code": str(mail.outbox[0].body).split()[3]})
    assert client.get(ACTIVATE).status_code == 200


def test_one_goes_on_where_one_was_with_what_one_had_entered(client: Client, eve: User, now: datetime) -> None:
    sign_in(client, "eve@example.com")
    mail.outbox.clear()
    with time_machine.travel(now + LATER):
        asked = client.post(EMAIL, NEW_ADDRESS)
        assert asked["Location"] == f"{AGAIN}?next=%2Faccounts%2Femail%2F"
        assert mail.outbox == []
        wrong = client.post(asked["Location"], {"password": "not the password at all"})
        assert wrong.status_code == 200
        assert mail.outbox == []
        client.post(asked["Location"], {"password": PASSWORD})
    assert mail.outbox[0].to == ["eve@example.org"]


def test_what_is_held_is_dropped_after_ten_minutes_and_done_once(client: Client, eve: User, now: datetime) -> None:
    sign_in(client, "eve@example.com")
    mail.outbox.clear()
    with time_machine.travel(now + LATER):
        asked = client.post(EMAIL, NEW_ADDRESS)["Location"]
    with time_machine.travel(now + LATER + timedelta(minutes=11)):
        assert client.post(asked, {"password": PASSWORD})["Location"] == EMAIL
        assert client.post(asked, {"password": PASSWORD})["Location"] == EMAIL
    assert mail.outbox == []


def test_what_is_held_is_not_done_on_the_way_to_another_page(client: Client, eve: User, now: datetime) -> None:
    sign_in(client, "eve@example.com")
    mail.outbox.clear()
    with time_machine.travel(now + LATER):
        client.post(EMAIL, NEW_ADDRESS)
        assert client.post(f"{AGAIN}?next=/app/", {"password": PASSWORD})["Location"] == "/app/"
    assert mail.outbox == []


@pytest.mark.parametrize("url", ["//evil.example", "/\\evil.example", "https://evil.example/accounts/email/"])
def test_the_way_back_leads_nowhere_else(url: str, client: Client, eve: User) -> None:
    sign_in(client, "eve@example.com")
    answer = client.post(AGAIN, {"password": PASSWORD, "next": url})
    assert answer["Location"] == "/app/"


def test_a_form_with_a_secret_is_not_held(client: Client, eve: User, now: datetime) -> None:
    sign_in(client, "eve@example.com")
    client.get(ACTIVATE)
    with time_machine.travel(now + LATER):
        asked = client.post(ACTIVATE, {"code": "123456"})
        assert asked["Location"].startswith(AGAIN)
        assert HELD not in client.session
        assert "123456" not in json.dumps(dict(client.session))
        assert client.post(asked["Location"], {"password": PASSWORD})["Location"] == ACTIVATE  # the form, once more


def test_a_password_alone_does_not_remove_the_second_factor(client: Client, eve: User, now: datetime) -> None:
    seed = set_up(client)
    with time_machine.travel(now + LATER, tick=False):
        asked = client.post(DEACTIVATE)["Location"]
        assert asked.startswith(CODE_AGAIN)
        by_password = client.post(f"{AGAIN}?next={DEACTIVATE}", {"password": PASSWORD})
        assert by_password["Location"].startswith(CODE_AGAIN)
        assert client.post(DEACTIVATE)["Location"].startswith(CODE_AGAIN)
        cache.clear()
        client.post(asked, {"code": code_of(seed)})
    assert "Set up" in client.get("/accounts/2fa/").text


def test_htmx_is_told_to_leave_the_page(client: Client, eve: User, now: datetime) -> None:
    sign_in(client, "eve@example.com")
    with time_machine.travel(now + LATER):
        answer = client.post(EMAIL, NEW_ADDRESS, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (403, f"{AGAIN}?next=%2Faccounts%2Femail%2F")


def test_a_first_password_is_set_only_by_who_has_just_shown_the_passkey(client: Client, eve: User) -> None:
    eve.set_unusable_password()
    eve.save()
    Authenticator.objects.create(user=eve, type=Authenticator.Type.WEBAUTHN, data={"name": "Key"})
    client.force_login(eve)  # a session, and nothing shown in it
    form = {"password1": PASSWORD, "password2": PASSWORD}
    for asked in (client.get(FIRST_PASSWORD), client.post(FIRST_PASSWORD, form)):
        assert asked["Location"] == "/accounts/2fa/passkeys/again/?next=%2Faccounts%2Fpassword%2Fset%2F"
    eve.refresh_from_db()
    assert not eve.has_usable_password()
    assert HELD not in client.session


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "[", "http://["])
def test_no_page_that_leads_to_another_site_is_around_a_form(path: str) -> None:
    request = RequestFactory().post("/", headers={"Referer": path if "[" in path else f"http://localhost:8000{path}"})
    assert page_around(request) == ""
