"""Guessing: strangers are stopped, and the owner is never locked out by their guesses."""

import pytest
from django.core import mail
from django.core.signing import dumps
from django.test import Client
from pytest_django.fixtures import Settings

from portal.accounts.login_throttle import COOKIE, SALT
from portal.accounts.passwords import BoundedArgon2Hasher
from portal.models import Session, User
from tests.portal.accounts.test_second_factor import set_up
from tests.support.totp import code_of
from tests.support.visitors import OTHER_PASSWORD, PASSWORD, is_signed_in, person, reset, sign_in, sign_up

pytestmark = pytest.mark.django_db
STEP = "/accounts/2fa/authenticate/"
SAME_NETWORK, ELSEWHERE = "198.51.100.9", "203.0.113.7"


@pytest.fixture(autouse=True)
def _fewer_guesses(settings: Settings) -> None:
    """Eight by account where the product allows a hundred, so that nobody waits for them here."""
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login_failed_account": "8/h/key"}


@pytest.fixture
def owner(eve: User) -> Client:
    """eve's own browser, in which she has signed in before."""
    browser = Client()
    sign_in(browser, "eve@example.com", REMOTE_ADDR=SAME_NETWORK)
    browser.post("/accounts/logout/")
    return browser


@pytest.fixture
def strangers_have_guessed(monkeypatch: pytest.MonkeyPatch, owner: Client) -> None:
    """More guesses than allowed, from the owner's own network and from everywhere."""
    with monkeypatch.context() as patch:
        patch.setattr(BoundedArgon2Hasher, "verify", lambda *_args: False)
        for address in [SAME_NETWORK] * 6 + [f"198.51.{number}.1" for number in range(4)]:
            sign_in(Client(), "eve@example.com", "guess", REMOTE_ADDR=address)


@pytest.mark.usefixtures("strangers_have_guessed")
def test_the_owner_is_never_locked_out_by_somebody_elses_guesses(owner: Client) -> None:
    stranger = Client()
    sign_in(stranger, "eve@example.com", REMOTE_ADDR=ELSEWHERE)
    assert not is_signed_in(stranger)  # by the password alone
    assert sign_in(owner, "eve@example.com", REMOTE_ADDR=SAME_NETWORK).status_code == 302


@pytest.mark.usefixtures("strangers_have_guessed")
def test_the_owner_gets_in_from_a_new_browser_by_a_reset() -> None:
    browser = Client()
    reset(browser, "eve@example.com", OTHER_PASSWORD)
    assert sign_in(browser, "eve@example.com", OTHER_PASSWORD, REMOTE_ADDR=ELSEWHERE).status_code == 302


def test_who_has_learnt_the_password_cannot_lock_the_owner_out_of_the_second_step(eve: User, owner: Client) -> None:
    seed = set_up(owner)
    owner.post("/accounts/logout/")
    for number in range(2):
        thief = Client()
        sign_in(thief, "eve@example.com", REMOTE_ADDR=f"198.51.{number}.1")
        for _ in range(5):
            thief.post(STEP, {"code": "000000"}, REMOTE_ADDR=f"198.51.{number}.1")
    sign_in(thief, "eve@example.com", REMOTE_ADDR=ELSEWHERE)
    thief.post(STEP, {"code": code_of(seed)}, REMOTE_ADDR=ELSEWHERE)
    assert not is_signed_in(thief)  # by account: guessing from many addresses brings nothing
    sign_in(owner, "eve@example.com")
    owner.post(STEP, {"code": code_of(seed)})
    assert is_signed_in(owner)


def test_a_known_browser_is_stopped_as_well(owner: Client) -> None:
    for _ in range(10):
        sign_in(owner, "eve@example.com", "not the password at all")
    assert sign_in(owner, "eve@example.com").status_code == 200


@pytest.mark.usefixtures("strangers_have_guessed")
def test_a_forged_or_foreign_cookie_makes_no_browser_known() -> None:
    thief = Client()
    for value in ("", "x", dumps({"x": "y"}, salt="another salt"), dumps({"other": "mark"}, salt=SALT)):
        thief.cookies[COOKIE] = value
        sign_in(thief, "eve@example.com", REMOTE_ADDR=ELSEWHERE)
        assert not is_signed_in(thief)


def test_ones_own_account_makes_a_browser_known_for_that_account_alone(owner: Client) -> None:
    person("mal@example.com")
    sign_in(owner, "mal@example.com")
    cookie = owner.cookies[COOKIE]
    assert "eve" not in cookie.value + cookie.OutputString()
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_sign_in_from_a_new_browser_is_told_and_one_from_a_known_browser_is_not(eve: User) -> None:
    browser = Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
    sign_in(browser, "eve@example.com")
    browser.post("/accounts/logout/")
    sign_in(browser, "eve@example.com")
    assert [message.subject for message in mail.outbox] == ["New sign-in to Latchkey from Firefox on Linux"]


def test_signing_up_is_no_new_sign_in(client: Client) -> None:
    sign_up(client, "new@example.com")
    client.post("/accounts/confirm-email/", {"code": str(mail.outbox[0].body).split()[3]})
    assert is_signed_in(client)
    assert len(mail.outbox) == 1


def test_changing_the_password_leaves_no_other_session(eve: User) -> None:
    here, elsewhere = Client(), Client()
    for browser in (here, elsewhere):
        sign_in(browser, "eve@example.com")
    data = {"oldpassword": PASSWORD, "password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}
    here.post("/accounts/password/change/", data)
    assert Session.objects.filter(user=eve).count() == 1


@pytest.mark.usefixtures("strangers_have_guessed")
def test_where_there_is_a_second_factor_it_opens_a_new_browser_and_no_mail_is_needed(eve: User, owner: Client) -> None:
    seed = set_up(owner)
    mail.outbox.clear()
    browser = Client()
    assert sign_in(browser, "eve@example.com", REMOTE_ADDR=ELSEWHERE)["Location"] == STEP
    browser.post(STEP, {"code": code_of(seed)}, REMOTE_ADDR=ELSEWHERE)
    assert is_signed_in(browser)
    assert "Your code" not in "".join(str(message.subject) for message in mail.outbox)


def test_the_many_spellings_of_one_mailbox_are_mailed_few_times_a_day(eve: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"tagged_mail": "3/d/key"}
    for number in range(6):
        page = sign_up(Client(), f"eve+{number}@example.com", REMOTE_ADDR=f"198.51.100.{number}")
        assert page.status_code == 302  # and tells nobody
    assert len(mail.outbox) == 3
    reset(Client(), "eve@example.com", OTHER_PASSWORD)  # the owner's own mail comes all the same
    assert len(mail.outbox) > 3


def test_a_person_whose_verified_address_has_a_tag_is_mailed_whatever_strangers_do(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"tagged_mail": "1/d/key"}
    person("gus+work@example.com")
    for number in range(3):
        sign_up(Client(), f"gus+{number}@example.com", REMOTE_ADDR=f"198.51.100.{number}")
    before = len(mail.outbox)
    Client().post("/accounts/password/reset/", {"email": "gus+work@example.com"})
    assert len(mail.outbox) == before + 1
