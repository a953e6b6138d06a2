"""Sign-up: who may, what it makes, and the code that comes back."""

import re
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Membership, Organization, User
from portal.services import people
from tests.support.visitors import CODE, PASSWORD, SIGNUP, actions, code_in, is_signed_in, sign_in, sign_up

pytestmark = pytest.mark.django_db


def test_one_signs_up_with_a_code_from_the_mail_and_owns_an_organization(client: Client) -> None:
    response = sign_up(client, "Grace@Example.com", headers={"X-Request-Id": "mine"}, REMOTE_ADDR="203.0.113.7")
    assert response["Location"] == CODE
    assert not is_signed_in(client)
    response = client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert response["Location"] == "/app/"
    assert is_signed_in(client)
    user = User.objects.get(email="grace@example.com")
    membership = Membership.objects.get(user=user)
    assert (membership.role, membership.organization.name, membership.organization.is_personal) == (
        "owner",
        "grace",
        True,
    )


def test_signing_up_is_told_in_the_audit(client: Client) -> None:
    sign_up(client, "grace@example.com", headers={"X-Request-Id": "mine"}, REMOTE_ADDR="203.0.113.7")
    user, organization = User.objects.get(), Organization.objects.get()
    signed_up, created = AuditEvent.objects.order_by("pk")
    assert (signed_up.action, signed_up.subject_id) == (AuditAction.USER_SIGNED_UP, user.public_id)
    assert (created.action, created.organization_id) == (AuditAction.ORGANIZATION_CREATED, organization.public_id)
    for event in (signed_up, created):
        assert (event.actor_id, event.address, event.request_id) == (user.public_id, "203.0.113.7", "mine")


def test_a_sign_up_that_fails_half_way_leaves_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the database went away")

    monkeypatch.setattr(people, "create_personal_organization", fail)
    client.raise_request_exception = False
    assert sign_up(client, "grace@example.com").status_code == 500
    assert not User.objects.exists()
    assert not EmailAddress.objects.exists()
    assert not AuditEvent.objects.exists()
    assert mail.outbox == []


def test_a_wrong_code_lets_nobody_in_and_three_end_it(client: Client) -> None:
    sign_up(client, "grace@example.com")
    wrong = f"{(int(code_in(mail.outbox[0])) + 1) % 1_000_000:06}"
    for words in ("2 tries are left.", "1 try is left.", "Too many wrong codes. Start again for a new one."):
        assert words in client.post(CODE, {"code": wrong}, follow=True).text
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert not is_signed_in(client)
    assert not EmailAddress.objects.get().verified


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"email": "grace@example.com"},
        {"password1": PASSWORD},
        {"email": "not an address", "password1": PASSWORD},
        {"email": "grace@example.com\x00", "password1": PASSWORD},
        {"email": "grace@example.com\r\nBcc: x@example.com", "password1": PASSWORD},
        {"email": f"{'g' * 300}@example.com", "password1": PASSWORD},
        {"email": '"\x01\x7f"@example.com', "password1": PASSWORD},
        {"email": "grace@example.com", "password1": "short"},
        {"email": "grace@example.com", "password1": "x" * 1025},
        {"email": "grace@example.com", "password1": "grace@example.com"},
        {"email": "grace@example.com", "password1": "latchkey latchkey"},
        {"email": "grace@example.com", "password1": PASSWORD + "\x00"},
    ],
)
def test_a_bad_sign_up_makes_nothing_and_hashes_nothing(
    data: dict[str, str], client: Client, hashes: list[str]
) -> None:
    response = client.post(SIGNUP, data)
    assert response.status_code in {200, 422}
    assert not User.objects.exists()
    assert hashes == []
    assert mail.outbox == []


def test_nobody_signs_up_uninvited_where_it_is_by_invitation(client: Client, settings: Settings) -> None:
    settings.SIGNUP = "invite"
    assert "invit" in client.get(SIGNUP).content.decode()
    assert "password1" not in client.get(SIGNUP).content.decode()
    sign_up(client, "grace@example.com")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("email", "welcome"),
    [
        ("grace@example.com", True),
        ("grace@EXAMPLE.org", True),
        ("grace@evil.example", False),
        ("grace@sub.example.com", False),
        ("grace@notexample.com", False),
        ("grace@example.com.evil.example", False),
    ],
)
def test_only_the_named_mail_domains_sign_up(email: str, welcome: bool, client: Client, settings: Settings) -> None:
    settings.SIGNUP = "example.com,example.org"
    response = sign_up(client, email)
    assert User.objects.exists() is welcome
    assert ("Accounts here are for" in response.content.decode()) is not welcome


def test_one_cannot_sign_up_at_work_and_move_away(client: Client, eve: User, settings: Settings) -> None:
    settings.SIGNUP = "example.com"
    sign_in(client, "eve@example.com")
    response = client.post("/accounts/email/", {"action_add": "", "email": "eve@evil.example"})
    assert "Accounts here are for" in response.content.decode()
    eve.refresh_from_db()
    assert eve.email == "eve@example.com"


@pytest.mark.django_db(transaction=True)
def test_twenty_sign_ups_at_once_with_one_address_make_one_account() -> None:
    def one(_: int) -> int:
        try:
            return int(sign_up(Client(), "grace@example.com").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(one, range(20)))
    assert User.objects.filter(email__iexact="grace@example.com").count() == 1
    assert Organization.objects.filter(name="grace").count() == 1
    assert set(statuses) <= {302, 429, 503}
    assert 302 in statuses


def test_who_loses_the_race_for_an_address_sees_what_a_known_address_sees(client: Client, eve: User) -> None:
    checked_too_early = patch("portal.accounts.forms.SignupForm.validate_unique_email", lambda _form, value: value)
    with checked_too_early:
        response = sign_up(client, "eve@example.com")
    assert response["Location"] == CODE
    assert mail.outbox[0].subject == "You already have a Latchkey account"
    assert User.objects.count() == 1
    assert actions() == [AuditAction.ORGANIZATION_CREATED]


def test_signing_up_again_at_once_says_how_long_to_wait(client: Client) -> None:
    sign_up(client, "new@example.com")
    again = sign_up(Client(), "new@example.com")
    assert again.status_code == 429
    assert re.search(r"Wait ([1-9]|10) s, then try again\.", again.text)


@pytest.mark.parametrize("email", ["eve@example.com", "new@example.com"])
def test_another_code_asked_for_too_soon_leaves_one_on_the_page_with_the_one_that_works(
    email: str, client: Client, eve: User
) -> None:
    sign_up(client, email)
    page = client.post(CODE, {"action": "resend"}, follow=True)
    assert page.redirect_chain == [(CODE, 302)]
    assert re.search(r"You can ask again in ([1-9]|10) s\.", page.text)
    assert len(mail.outbox) == 1
    if email == "new@example.com":
        client.post(CODE, {"code": code_in(mail.outbox[0])})
        assert is_signed_in(client)
