"""A sign-in that waits for its second step ends with the password and the sessions that it began beside."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client

from portal.audit import COMMAND
from portal.models import Session, User
from portal.services import people
from tests.portal.accounts.test_second_factor import set_up
from tests.support.totp import code_of
from tests.support.visitors import (
    CODE,
    OTHER_PASSWORD,
    RESET,
    code_in,
    is_signed_in,
    link_in,
    path_of,
    reset,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.django_db
STEP = "/accounts/2fa/authenticate/"


def deactivated_for_a_while(user: User) -> None:
    people.deactivate_user(user, by=COMMAND)
    people.reactivate_user(user, by=COMMAND)


def reset_by_mail(user: User) -> None:
    reset(Client(), user.email, OTHER_PASSWORD)


def set_in_a_shell(user: User) -> None:
    user.set_password(OTHER_PASSWORD)
    user.save()


def signed_out_everywhere(user: User) -> None:
    people.end_other_sessions(user, keep="", by=COMMAND)


@pytest.mark.parametrize("change", [deactivated_for_a_while, reset_by_mail, set_in_a_shell, signed_out_everywhere])
def test_a_second_step_opens_nothing_once_the_account_has_changed(change: Callable[[User], None], eve: User) -> None:
    seed = set_up(Client())
    thief = Client()
    assert sign_in(thief, eve.email)["Location"].startswith(STEP)
    change(User.objects.get(pk=eve.pk))
    thief.post(STEP, {"code": code_of(seed)})
    assert not is_signed_in(thief)
    assert not is_signed_in(thief)  # nor by what is left in the session


def test_a_second_step_that_nothing_came_between_opens(eve: User) -> None:
    seed = set_up(Client())
    browser = Client()
    sign_in(browser, eve.email)
    assert browser.post(STEP, {"code": code_of(seed)})["Location"] == "/app/"
    assert not Session.objects.filter(begun_by=eve).exists()


def test_a_sign_up_that_waits_for_its_code_ends_with_the_account(client: Client) -> None:
    sign_up(client, "new@example.com")
    deactivated_for_a_while(User.objects.get(email="new@example.com"))
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert not is_signed_in(client)


def test_who_is_signed_out_everywhere_is_not_told_of_sign_ins_that_were_only_begun(eve: User) -> None:
    set_up(Client())
    sign_in(Client(), eve.email)
    assert people.end_other_sessions(eve, keep="", by=COMMAND) == 1


def test_a_reset_link_opens_no_deactivated_account(client: Client, eve: User) -> None:
    client.post(RESET, {"email": eve.email})
    form = client.get(path_of(link_in(mail.outbox[-1])))["Location"]
    people.deactivate_user(eve, by=COMMAND)
    client.post(form, {"password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD})
    eve.refresh_from_db()
    assert not eve.check_password(OTHER_PASSWORD)
