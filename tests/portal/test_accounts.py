"""How people get in: sign-up, sign-in, reset, change."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from portal import passwords
from portal.audit import COMMAND, Actor, NotAllowed
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Membership, Organization, User
from portal.passwords import BoundedArgon2Hasher, PasswordsBusy
from portal.services import organizations, people

pytestmark = pytest.mark.django_db
Response = Any  # what the test client makes of an HttpResponse
PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "a much longer staple battery"
SIGNUP, LOGIN, RESET = "/accounts/signup/", "/accounts/login/", "/accounts/password/reset/"
CODE = "/accounts/confirm-email/"


@pytest.fixture(autouse=True)
def _no_throttles_left() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def eve() -> User:
    """Someone with an account and a password."""
    return person("eve@example.com")


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each password that is hashed."""
    done: list[str] = []
    for name in ("encode", "verify"):
        original = getattr(BoundedArgon2Hasher, name)

        def counted(
            self: BoundedArgon2Hasher, *args: str, _name: str = name, _original: Callable[..., object] = original
        ) -> object:
            done.append(_name)
            return _original(self, *args)

        monkeypatch.setattr(BoundedArgon2Hasher, name, counted)
    return done


def person(email: str) -> User:
    user = User.objects.create_user(email, PASSWORD)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    organizations.create_personal_organization(user, by=COMMAND)
    return user


def sign_up(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Response:
    return client.post(SIGNUP, {"email": email, "password1": password}, **extra)


def sign_in(client: Client, email: str, password: str = PASSWORD, path: str = LOGIN, **extra: Any) -> Response:
    return client.post(path, {"login": email, "password": password}, **extra)


def is_signed_in(client: Client) -> bool:
    return client.get("/")["Location"] == "/app/" if client.get("/").status_code == 302 else False


def code_in(message: mail.EmailMessage) -> str:
    found = re.search(r"^\s*(\d{6})\s*$", str(message.body), re.MULTILINE)
    assert found, message.body
    return found[1]


def link_in(message: mail.EmailMessage) -> str:
    found = re.search(r"http\S+/password/reset/key/\S+", str(message.body))
    assert found, message.body
    return found[0]


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def text_of(response: Response, *emails: str) -> str:
    """The page without what must differ: the form's token, the request's name, the address one typed oneself."""
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    page = page.replace(response["X-Request-Id"], "")
    for email in emails:
        page = page.replace(email, "")
    return page


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


# --- Sign-up ---


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
    for _ in range(3):
        client.post(CODE, {"code": wrong})
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
    checked_too_early = patch("portal.forms.SignupForm.validate_unique_email", lambda _form, value: value)
    with checked_too_early:
        response = sign_up(client, "eve@example.com")
    assert response["Location"] == CODE
    assert mail.outbox[0].subject == "You already have a Latchkey account"
    assert User.objects.count() == 1
    assert actions() == [AuditAction.ORGANIZATION_CREATED]


# --- Known and unknown addresses get the same ---


def test_sign_up_does_not_tell_whether_an_address_is_known(eve: User, hashes: list[str]) -> None:
    answers = {}
    for email in ("eve@example.com", "new@example.com"):
        client, before = Client(), len(mail.outbox)
        hashes.clear()
        response = sign_up(client, email)
        page = client.get(response["Location"])
        wrong = client.post(CODE, {"code": "00000x"})
        again = client.post(CODE, {"action": "resend"})
        answers[email] = (
            response.status_code,
            response["Location"],
            len(hashes),
            before + 1,
            text_of(page, email),
            text_of(wrong, email),
            (again.status_code, again.headers.get("Location")),
            sorted(client.cookies),
        )
        assert len(mail.outbox) == before + 1
        mail.outbox.clear()
    known, unknown = answers.values()
    assert known == unknown


def test_sign_in_does_not_tell_whether_an_address_is_known(eve: User, hashes: list[str]) -> None:
    gone = person("gone@example.com")
    people.deactivate_user(gone, by=COMMAND)
    answers = []
    for email in ("eve@example.com", "new@example.com", "gone@example.com"):
        client = Client()
        hashes.clear()
        response = sign_in(client, email, "not the password at all")
        answers.append((response.status_code, text_of(response, email), len(hashes), sorted(client.cookies)))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][2] == 1
    assert mail.outbox == []


def test_reset_does_not_tell_whether_an_address_is_known(eve: User, hashes: list[str]) -> None:
    answers = []
    for email in ("eve@example.com", "new@example.com"):
        client = Client()
        mail.outbox.clear()
        response = client.post(RESET, {"email": email})
        page = client.get(response["Location"])
        answers.append((response.status_code, response["Location"], text_of(page, email), len(mail.outbox)))
    assert answers[0] == answers[1]
    assert answers[0][3] == 1
    assert hashes == []


@pytest.mark.parametrize("path", [SIGNUP, RESET])
def test_a_mail_server_that_fails_changes_no_answer(path: str, eve: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.MAIL_BACKEND = "portal.mail.BackgroundBackend", "tests.absent.Backend"
    answers = []
    for email in ("eve@example.com", "new@example.com"):
        response = Client().post(path, {"email": email, "password1": PASSWORD})
        answers.append((response.status_code, response["Location"]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 302


# --- Addresses in mails ---


@pytest.mark.parametrize("headers", [{"Host": "www.example.com"}, {"X-Forwarded-Host": "evil.example"}])
def test_mails_lead_to_our_public_address_whatever_the_request_says(
    headers: dict[str, str], client: Client, eve: User, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"
    settings.ALLOWED_HOSTS = ["testserver", "www.example.com"]
    client.post(RESET, {"email": "eve@example.com"}, headers=headers)
    client.post(RESET, {"email": "new@example.com"}, headers=headers)
    sign_up(client, "eve@example.com", headers=headers)
    for message in mail.outbox:
        shown = message.message().as_string()
        assert "https://keys.example.com/accounts/" in shown
        assert "evil.example" not in shown
        assert "www.example.com" not in shown
    assert len(mail.outbox) == 3


def test_a_foreign_host_gets_no_mail_sent(client: Client, eve: User) -> None:
    assert client.post(RESET, {"email": "eve@example.com"}, headers={"Host": "evil.example"}).status_code == 400
    assert mail.outbox == []


def test_the_reset_goes_to_the_stored_address_not_to_a_lookalike(client: Client, eve: User) -> None:
    client.post(RESET, {"email": "EVE@example.com"})
    client.post(RESET, {"email": "eve@exämple.com"})
    assert [message.to for message in mail.outbox if "reset/key" in str(message.body)] == [["eve@example.com"]]


# --- Sign-in ---


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


def test_a_hundred_failures_from_everywhere_stop_all_until_a_reset(
    client: Client, eve: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedArgon2Hasher, "verify", lambda *_args: False)
    for number in range(100):
        sign_in(Client(), "eve@example.com", "guess", REMOTE_ADDR=f"198.51.{number}.1")
    monkeypatch.undo()
    assert sign_in(client, "eve@example.com", PASSWORD, REMOTE_ADDR="203.0.113.7").status_code != 302
    reset(client, "eve@example.com", OTHER_PASSWORD)
    assert sign_in(client, "eve@example.com", OTHER_PASSWORD, REMOTE_ADDR="203.0.113.7").status_code == 302


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


# --- Reset and change ---


def reset(client: Client, email: str, password: str) -> Response:
    client.post(RESET, {"email": email})
    form = client.get(path_of(link_in(mail.outbox[-1])))["Location"]
    return client.post(form, {"password1": password, "password2": password})


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


# --- Operators ---


def test_the_first_admin_made_on_the_command_line_can_sign_in(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="Root@example.com", interactive=False, verbosity=0)
    assert sign_in(client, "root@example.com").status_code == 302
    assert is_signed_in(client)
    response = client.get("/admin/", follow=True)
    assert "/accounts/" in response.redirect_chain[-1][0]  # not into admin, but to set up a second factor


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
