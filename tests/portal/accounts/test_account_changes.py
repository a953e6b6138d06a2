"""A password that is reset or changed, and another address."""

from datetime import timedelta
from unittest.mock import patch

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from portal.audit import COMMAND, Actor
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, User
from portal.services import people
from tests.support.visitors import (
    CODE,
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
)

pytestmark = pytest.mark.django_db


def test_a_reset_changes_the_password_once_and_is_told(client: Client, eve: User) -> None:
    client.post(RESET, {"email": "eve@example.com"})
    link = path_of(link_in(mail.outbox[0]))
    reset(client, "eve@example.com", OTHER_PASSWORD)
    assert sign_in(Client(), "eve@example.com", OTHER_PASSWORD).status_code == 302
    assert sign_in(Client(), "eve@example.com", PASSWORD).status_code == 200
    assert "password1" not in Client().get(link, follow=True).content.decode()  # both links are dead
    event = AuditEvent.objects.get(action=AuditAction.USER_PASSWORD_RESET)
    assert (event.subject_id, event.actor_id) == (eve.public_id, eve.public_id)
    assert OTHER_PASSWORD not in str(event.after) + str(event.before)


def test_a_reset_link_works_for_an_hour_and_for_the_address_it_was_mailed_to(client: Client, eve: User) -> None:
    client.post(RESET, {"email": "eve@example.com"})
    link, now = path_of(link_in(mail.outbox[0])), timezone.now()
    for minutes, works in ((59, True), (61, False)):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            assert ("password1" in Client().get(link, follow=True).text) is works
    User.objects.filter(pk=eve.pk).update(email="eve@example.org")
    assert "password1" not in Client().get(link, follow=True).text


def test_the_links_token_leaves_the_address_at_once(client: Client, eve: User) -> None:
    client.post(RESET, {"email": "eve@example.com"})
    link = link_in(mail.outbox[0])
    form = client.get(path_of(link))
    assert form.status_code == 302
    assert link.rsplit("-", 1)[1].strip("/") not in form["Location"]


def test_of_two_answers_to_one_reset_link_one_counts(client: Client, eve: User) -> None:
    client.post(RESET, {"email": "eve@example.com"})
    form = client.get(path_of(link_in(mail.outbox[0])))["Location"]
    stale = User.objects.get(pk=eve.pk)
    by = Actor(COMMAND.kind)
    assert people.set_password(stale, OTHER_PASSWORD, action=AuditAction.USER_PASSWORD_RESET, by=by)
    with (  # both looked at the link before either had set anything
        patch("django.contrib.auth.tokens.PasswordResetTokenGenerator.check_token", return_value=True),
        patch("allauth.account.forms.UserTokenForm._get_user", return_value=eve),
    ):
        response = client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    assert response.status_code == 409
    assert sign_in(Client(), "eve@example.com", OTHER_PASSWORD).status_code == 302
    assert actions().count(AuditAction.USER_PASSWORD_RESET) == 1


def test_changing_the_password_ends_every_other_session(eve: User) -> None:
    here, elsewhere = Client(), Client()
    for browser in (here, elsewhere):
        sign_in(browser, "eve@example.com")
    data = {"oldpassword": PASSWORD, "password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}
    assert here.post("/accounts/password/change/", data).status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)
    assert AuditAction.USER_PASSWORD_CHANGED in actions()


@pytest.mark.parametrize("old", ["not the password at all", "x" * 1_000_000, ""])
def test_the_old_password_must_be_right(old: str, client: Client, eve: User) -> None:
    sign_in(client, "eve@example.com")
    client.post(
        "/accounts/password/change/", {"oldpassword": old, "password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}
    )
    assert sign_in(Client(), "eve@example.com", PASSWORD).status_code == 302


def test_a_new_address_counts_once_its_code_came_back_and_is_told(client: Client, eve: User) -> None:
    sign_in(client, "eve@example.com")
    mail.outbox.clear()
    client.post("/accounts/email/", {"action_add": "", "email": "eve@example.org"})
    eve.refresh_from_db()
    assert eve.email == "eve@example.com"
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    eve.refresh_from_db()
    assert eve.email == "eve@example.org"
    event = AuditEvent.objects.get(action=AuditAction.USER_EMAIL_CHANGED)
    assert (event.before, event.after) == ({"email": "eve@example.com"}, {"email": "eve@example.org"})
    told = [message.to for message in mail.outbox if message.subject == "Your Latchkey address is now eve@example.org"]
    assert sorted(told) == [["eve@example.com"], ["eve@example.org"]]
