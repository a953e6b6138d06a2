"""A stranger learns from no answer, and no mail, whether an address has an account; mails lead to us alone."""

import re

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from portal.audit import COMMAND
from portal.edge import not_before
from portal.models import User
from portal.services import people
from tests.support.visitors import CODE, LOGIN, PASSWORD, RESET, SIGNUP, Response, person, sign_in, sign_up

pytestmark = pytest.mark.django_db


def text_of(response: Response, *emails: str) -> str:
    """The page without what must differ: the form's token, the request's name, the address one typed oneself."""
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    page = page.replace(response["X-Request-Id"], "")
    for email in emails:
        page = page.replace(email, "")
    return page


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


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (SIGNUP, {"password1": PASSWORD}),
        (f"{SIGNUP}passkey/", {}),
        (RESET, {}),
        (LOGIN, {"password": "not the password at all"}),
    ],
)
def test_whether_an_address_is_known_every_answer_waits_for_the_same_instant(
    path: str, form: dict[str, str], eve: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.middleware.time.monotonic", lambda: 1000.0)
    for email in ("eve@example.com", "new@example.com"):
        browser = Client()
        answers = [browser.post(path, form | {"email": email, "login": email})]
        if path.startswith(SIGNUP):
            answers += [browser.post(CODE, {"code": "00000x"}), browser.post(CODE, {"action": "resend"})]
        for answer in answers:
            assert answer.status_code in {200, 302}
            assert answer["X-Latchkey-Not-Before"] == not_before.instant(1000.0)


def test_who_signs_in_and_who_only_looks_waits_for_nothing(client: Client, eve: User) -> None:
    assert "X-Latchkey-Not-Before" not in client.get(LOGIN)
    assert "X-Latchkey-Not-Before" not in sign_in(client, "eve@example.com")


@pytest.mark.parametrize("path", [SIGNUP, RESET])
def test_a_mail_server_that_fails_changes_no_answer(path: str, eve: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.MAIL_BACKEND = "portal.mails.backends.BackgroundBackend", "tests.absent.Backend"
    answers = []
    for email in ("eve@example.com", "new@example.com"):
        response = Client().post(path, {"email": email, "password1": PASSWORD})
        answers.append((response.status_code, response["Location"]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 302


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
