"""People who sign up and sign in: the forms that they send, and the mails that they get."""

import re
from typing import Any

from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from portal.audit import COMMAND
from portal.models import AuditEvent, User
from portal.services import organizations

Response = Any  # the test client's extended HttpResponse
PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "a much longer staple battery"
SIGNUP, LOGIN, RESET = "/accounts/signup/", "/accounts/login/", "/accounts/password/reset/"
CODE = "/accounts/confirm-email/"


def person(email: str) -> User:
    """Make a person with an account, a password and a personal organization."""
    user = User.objects.create_user(email, PASSWORD)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    organizations.create_personal_organization(user, by=COMMAND)
    return user


def sign_up(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Response:
    """Submit the sign-up form."""
    return client.post(SIGNUP, {"email": email, "password1": password}, **extra)


def sign_in(client: Client, email: str, password: str = PASSWORD, path: str = LOGIN, **extra: Any) -> Response:
    """Submit the sign-in form."""
    return client.post(path, {"login": email, "password": password}, **extra)


def is_signed_in(client: Client) -> bool:
    """Whether the landing page redirects this browser to the app."""
    return client.get("/")["Location"] == "/app/" if client.get("/").status_code == 302 else False


def code_in(message: mail.EmailMessage) -> str:
    """The six-digit code in the mail; fails if there is none."""
    found = re.search(r"^\s*(\d{6})\s*$", str(message.body), re.MULTILINE)
    assert found, message.body
    return found[1]


def link_in(message: mail.EmailMessage) -> str:
    """The link in a password reset mail; fails if there is none."""
    found = re.search(r"http\S+/password/reset/key/\S+", str(message.body))
    assert found, message.body
    return found[0]


def path_of(link: str) -> str:
    """The link's path, without scheme and host."""
    return "/" + link.split("/", 3)[3]


def reset(client: Client, email: str, password: str) -> Response:
    """Reset a password through the mailed link."""
    client.post(RESET, {"email": email})
    form = client.get(path_of(link_in(mail.outbox[-1])))["Location"]
    return client.post(form, {"password1": password, "password2": password})


def actions() -> list[str]:
    """The actions of all audit events, in order."""
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
