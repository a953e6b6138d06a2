"""Sign-in: by whom, how often it may be tried, and where it leads."""

import re
from datetime import datetime, timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from portal.accounts import passwords
from portal.accounts.passwords import BoundedArgon2Hasher, PasswordsBusy
from portal.audit import COMMAND, Actor, NotAllowed
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, User
from portal.services import people
from tests.support.visitors import (
    CODE,
    LOGIN,
    OTHER_PASSWORD,
    PASSWORD,
    RESET,
    actions,
    code_in,
    is_signed_in,
    link_in,
    path_of,
    reset,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example",
        "%2F%2Fevil.example",
        "javascript:alert(1)",
        "http://testserver/app/keys/",
    ],
)
def test_after_sign_in_one_lands_here_and_nowhere_else(url: str, client: Client, eve: User) -> None:
    response = client.post(LOGIN, {"login": "eve@example.com", "password": PASSWORD, "next": url})
    assert (response.status_code, response["Location"]) == (302, "/app/")


def test_after_sign_in_one_is_where_one_wanted_to_go(client: Client, eve: User) -> None:
    response = client.post(LOGIN, {"login": "eve@example.com", "password": PASSWORD, "next": "/app/keys/?q=a"})
    assert response["Location"] == "/app/keys/?q=a"


def test_signing_in_gives_the_session_a_new_id(client: Client, eve: User) -> None:
    session = client.session  # as an attacker may have given it to the victim's browser
    session["planted"] = "1"
    session.save()
    before = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    sign_in(client, "eve@example.com")
    assert client.cookies[django_settings.SESSION_COOKIE_NAME].value != before


def test_a_password_typed_on_another_keyboard_is_the_same(client: Client) -> None:
    composed, decomposed = "caf\u00e9 au lait, s'il vous pla\u00eet", "cafe\u0301 au lait, s'il vous plai\u0302t"
    sign_up(client, "grace@example.com", composed)
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert sign_in(Client(), "grace@example.com", decomposed).status_code == 302


@pytest.mark.parametrize(
    "email", ["eve@example.com\u2024", "\u0435ve@example.com", "eve@ex\u0430mple.com", "EVE@EXAMPLE.COM "]
)
def test_a_lookalike_of_an_address_opens_nothing_of_its(email: str, client: Client, eve: User) -> None:
    sign_up(client, email, OTHER_PASSWORD)
    assert User.objects.filter(email="eve@example.com").get() == eve
    assert sign_in(Client(), "eve@example.com", OTHER_PASSWORD).status_code == 200
    assert "reset/key" not in "".join(str(message.body) for message in mail.outbox if message.to != ["eve@example.com"])


@pytest.mark.parametrize("password", ["x" * 1025, "x" * 1_000_000])
def test_a_giant_password_is_refused_before_it_is_hashed(
    password: str, client: Client, eve: User, hashes: list[str]
) -> None:
    response = sign_in(client, "eve@example.com", password)
    assert response.status_code == 200
    assert hashes == []
    assert not is_signed_in(client)


def test_five_failures_from_one_address_stop_it_and_not_the_owner_elsewhere(client: Client, eve: User) -> None:
    for _ in range(6):
        sign_in(client, "eve@example.com", "not the password at all", REMOTE_ADDR="198.51.100.9")
    blocked = sign_in(client, "eve@example.com", PASSWORD, REMOTE_ADDR="198.51.100.9")
    assert blocked.status_code != 302
    assert sign_in(client, "eve@example.com", PASSWORD, REMOTE_ADDR="203.0.113.7").status_code == 302


def test_after_a_hundred_failures_from_everywhere_a_password_alone_opens_no_new_browser(
    client: Client, eve: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedArgon2Hasher, "verify", lambda *_args: False)
    for number in range(100):
        sign_in(Client(), "eve@example.com", "guess", REMOTE_ADDR=f"198.51.{number}.1")
    monkeypatch.undo()
    code_page = sign_in(client, "eve@example.com", PASSWORD, REMOTE_ADDR="203.0.113.7")["Location"]
    assert code_page == "/accounts/login/code/confirm/"
    assert "many wrong passwords" in client.get(code_page).text
    assert not is_signed_in(client)
    client.post(code_page, {"code": re.findall(r"^ {4}(\S+)$", str(mail.outbox[-1].body), re.MULTILINE)[0]})
    assert is_signed_in(client)
    client.post("/accounts/logout/")
    assert sign_in(client, "eve@example.com", PASSWORD)["Location"] == "/app/"  # the browser is known from now on
    another = Client()
    reset(another, "eve@example.com", OTHER_PASSWORD)
    assert sign_in(another, "eve@example.com", OTHER_PASSWORD, REMOTE_ADDR="203.0.113.7")["Location"] == "/app/"


def test_guesses_past_the_hundred_are_still_few_from_each_address(
    eve: User, monkeypatch: pytest.MonkeyPatch, hashes: list[str], settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login_failed_account": "1/h/key"}
    for _ in range(8):
        sign_in(Client(), "eve@example.com", "guess", REMOTE_ADDR="198.51.100.9")
    assert len(hashes) == 5


def test_strangers_who_ask_for_resets_neither_flood_the_owner_nor_keep_a_link_from_them(
    eve: User, now: datetime
) -> None:
    browser = Client()
    sign_in(browser, "eve@example.com")
    browser.post("/accounts/logout/")
    mail.outbox.clear()
    with time_machine.travel(now, tick=False):
        for number in range(20):
            answer = Client().post(RESET, {"email": "eve@example.com"}, REMOTE_ADDR=f"198.51.{number}.1")
            assert answer.status_code == 302
        assert len(mail.outbox) == 2
    with time_machine.travel(now + timedelta(minutes=44)):
        page = Client().post(RESET, {"email": "eve@example.com"}, REMOTE_ADDR="203.0.113.7", follow=True)
        assert "use one you already have" in page.text
        assert len(mail.outbox) == 2
        assert "password1" in Client().get(path_of(link_in(mail.outbox[0])), follow=True).text  # which still works
        browser.post(RESET, {"email": "eve@example.com"})
        assert len(mail.outbox) == 3  # a browser that has signed in is counted by itself
    with time_machine.travel(now + timedelta(minutes=46)):
        Client().post(RESET, {"email": "eve@example.com"})
        assert len(mail.outbox) == 4


def test_right_passwords_use_up_no_tries(eve: User) -> None:
    for _ in range(7):
        assert sign_in(Client(), "eve@example.com").status_code == 302


def test_when_passwords_cannot_be_checked_fast_enough_the_answer_is_503(
    client: Client, eve: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object) -> None:
        raise PasswordsBusy

    monkeypatch.setattr(passwords._Slot, "__enter__", busy)
    response = sign_in(client, "eve@example.com")
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert sign_up(client, "new@example.com").status_code == 503
    assert User.objects.count() == 1


def test_an_account_without_a_password_opens_to_none(client: Client) -> None:
    user = User.objects.create_user("nopass@example.com")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    for password in ("", "!", "None", user.password):
        sign_in(client, user.email, password)
    assert not is_signed_in(client)


def test_the_first_admin_made_on_the_command_line_can_sign_in(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="Root@example.com", interactive=False, verbosity=0)
    event = AuditEvent.objects.get(action=AuditAction.USER_CREATED)
    assert (event.subject_id, event.actor_kind) == (User.objects.get(email="root@example.com").public_id, "command")
    assert event.after == {"is_staff": True, "is_superuser": True}
    assert sign_in(client, "root@example.com").status_code == 302
    assert is_signed_in(client)
    response = client.get("/admin/", follow=True)
    assert "/accounts/" in response.redirect_chain[-1][0]  # not into admin, but to set up a second factor


@pytest.mark.django_db(transaction=True)
def test_a_superuser_who_cannot_be_recorded_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(people, "record_of_person", fail)
    with pytest.raises(RuntimeError):
        call_command("createsuperuser", email="root@example.com", interactive=False, verbosity=0)
    assert not User.objects.exists()


def test_a_deactivated_person_is_out_at_once_and_for_good(client: Client, eve: User) -> None:
    sign_in(client, "eve@example.com")
    people.deactivate_user(eve, by=COMMAND)
    people.deactivate_user(eve, by=COMMAND)
    assert not is_signed_in(client)
    assert sign_in(Client(), "eve@example.com")["Location"] == "/accounts/inactive/"
    people.reactivate_user(eve, by=COMMAND)
    assert not is_signed_in(client)  # the old session did not come back
    assert sign_in(Client(), "eve@example.com")["Location"] == "/app/"
    assert actions().count(AuditAction.USER_DEACTIVATED) == actions().count(AuditAction.USER_REACTIVATED) == 1


def test_members_deactivate_nobody(as_ada: Actor, eve: User) -> None:
    for operation in (people.deactivate_user, people.reactivate_user):
        with pytest.raises(NotAllowed):
            operation(eve, by=as_ada)
    assert User.objects.get(pk=eve.pk).is_active
