"""People at the front door: what they type, and what is mailed to them."""

import re
from typing import Any

from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from portal.audit import COMMAND
from portal.models import AuditEvent, User
from portal.services import organizations

Response = Any  # what the test client makes of an HttpResponse
PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "a much longer staple battery"
SIGNUP, LOGIN, RESET = "/accounts/signup/", "/accounts/login/", "/accounts/password/reset/"
CODE = "/accounts/confirm-email/"


def person(email: str) -> User:
    """Somebody with an account, a password and an organization of their own."""
    user = User.objects.create_user(email, PASSWORD)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    organizations.create_personal_organization(user, by=COMMAND)
    return user


def sign_up(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Response:
    """Send the form that asks for an account."""
    return client.post(SIGNUP, {"email": email, "password1": password}, **extra)


def sign_in(client: Client, email: str, password: str = PASSWORD, path: str = LOGIN, **extra: Any) -> Response:
    """Send the address and the password."""
    return client.post(path, {"login": email, "password": password}, **extra)


def is_signed_in(client: Client) -> bool:
    """Whether the landing page leads this browser on."""
    return client.get("/")["Location"] == "/app/" if client.get("/").status_code == 302 else False


def code_in(message: mail.EmailMessage) -> str:
    """The code that the mail is for."""
    found = re.search(r"^\s*(\d{6})\s*$", str(message.body), re.MULTILINE)
    assert found, message.body
    return found[1]


def link_in(message: mail.EmailMessage) -> str:
    """The link that the mail is for."""
    found = re.search(r"http\S+/password/reset/key/\S+", str(message.body))
    assert found, message.body
    return found[0]


def path_of(link: str) -> str:
    """The link without its host."""
    return "/" + link.split("/", 3)[3]


def reset(client: Client, email: str, password: str) -> Response:
    """Have a password reset, by mail."""
    client.post(RESET, {"email": email})
    form = client.get(path_of(link_in(mail.outbox[-1])))["Location"]
    return client.post(form, {"password1": password, "password2": password})


def actions() -> list[str]:
    """What the audit tells of, in order."""
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
