"""``manage.py demo``: people, organizations and APIs to try things with, and new credentials on each run."""

import json
from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.utils.crypto import salted_hmac

from keys.models import Api, Environment
from keys.services.api_secrets import issue_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api
from keys.services.keys import KeySettings, issue_key
from oauth.services.clients import ClientSettings, create_client
from oauth.services.common import IssuedClient
from portal.audit import COMMAND, Actor, ActorKind
from portal.models import Organization, User
from portal.outbox import together
from portal.services.people import sign_up

ADMIN_EMAIL = "admin@localhost"
USER_EMAIL = "demo@localhost"
OTHER_EMAIL = "other@localhost"
ORDERS = "https://orders.example.com"
BILLING = "https://billing.example.com"
SCOPES = {
    "orders:read": ScopeSettings("Read orders"),
    "orders:write": ScopeSettings("Place and change orders"),
    "refunds:write": ScopeSettings("Refund orders", is_sensitive=True),
}


class Command(BaseCommand):
    """Makes demo data."""

    help = "Make demo data: people, organizations and APIs once, and new credentials on each run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What can be asked for."""
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        parser.add_argument("--keys", type=int, default=0, metavar="N", help="make N more API keys")
        parser.add_argument("--force", action="store_true", help="also outside embedded mode")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make and print it."""
        if not settings.EMBEDDED and not options["force"]:
            raise CommandError("DATABASE_URL is set: this is no demo installation. Use --force if you mean it.")
        is_first = not User.objects.filter(email=ADMIN_EMAIL).exists()
        with together():  # one round through the caches for all of it
            made = make_demo(extra_keys=options["keys"])
        self.stdout.write(json.dumps(made) if options["json"] else as_text(made, with_passwords=is_first))


def make_demo(*, extra_keys: int) -> dict[str, Any]:
    """The demo data with new credentials; what earlier runs made goes on working."""
    admin = User.objects.filter(email=ADMIN_EMAIL).first() or User.objects.create_superuser(
        ADMIN_EMAIL, _password(ADMIN_EMAIL)
    )
    user, other = _person(USER_EMAIL, "Acme"), _person(OTHER_EMAIL, "Initech")
    api, other_api = _api(ORDERS, "Orders", SCOPES), _api(BILLING, "Billing", {"invoices:read": ScopeSettings("Read")})
    scopes = ["orders:read", "orders:write"]
    return {
        "base_url": settings.PUBLIC_URL,
        "admin": {"email": admin.email, "password": _password_of(admin)},
        "user": {"email": user.email, "password": _password_of(user)},
        "api": _with_secret(api),
        "api_key": _key(user, api, "Demo key", scopes),
        "api_keys": [_key(user, api, f"Demo key {number}", scopes) for number in range(1, extra_keys + 1)],
        "client": _client(user, api, "Demo client", scopes),
        "scopes": scopes,
        "management_key": _key(user, _builtin(), "Demo management key", _all_scopes(_builtin())),
        "other": {
            "api": _with_secret(other_api),
            "api_key": _key(other, other_api, "Other demo key", _all_scopes(other_api)),
            "client": _client(other, other_api, "Other demo client", _all_scopes(other_api)),
        },
    }


def as_text(made: dict[str, Any], *, with_passwords: bool) -> str:
    """For a person: who to be, and a call to make; passwords are shown on the first run alone."""
    people = {"developer": made["user"], "admin": made["admin"]}
    shown = {
        name: person["password"] if with_passwords else "(shown on the first run)" for name, person in people.items()
    }
    lines = [f"  {name:<10} {person['email']:<16} {shown[name]}" for name, person in people.items()]
    return "\n".join(["", "Sign in as", *lines, "", "Ask whether the demo key is good", "", curl(made), ""])


def curl(made: dict[str, Any]) -> str:
    """A validation of the demo key, ready to paste into a shell."""
    body = json.dumps({"credential": made["api_key"], "scopes": ["orders:read"]})
    return f"""\
curl -s {made["base_url"]}/v1/validate \\
  -H 'Authorization: Bearer {made["api"]["secret"]}' \\
  -H 'Content-Type: application/json' \\
  -d '{body}'"""


def _person(email: str, organization_name: str) -> User:
    """The demo person of this address, verified, with a personal organization of that name."""
    found = User.objects.filter(email=email).first()
    if found is None:
        person = User(email=email, name=organization_name, password=make_password(_password(email)))
        found = sign_up(person, by=COMMAND)
        EmailAddress.objects.filter(user=found).update(verified=True)
    return found


def _password(email: str) -> str:
    """The same on each run, and nothing anybody can guess: derived from SECRET_KEY."""
    return salted_hmac("latchkey.demo", email, algorithm="sha256").hexdigest()[:24]


def _password_of(user: User) -> str | None:
    """The password that was set here; None once the person has chosen another."""
    password = _password(user.email)
    return password if user.check_password(password) else None


def _api(identifier: str, name: str, scopes: dict[str, ScopeSettings]) -> Api:
    found = Api.objects.filter(identifier=identifier).first()
    return found or create_api(identifier, ApiSettings(name, scopes), by=COMMAND).api


def _builtin() -> Api:
    return Api.objects.get(is_builtin=True)


def _all_scopes(api: Api) -> list[str]:
    return list(api.scopes.values_list("name", flat=True))


def _with_secret(api: Api) -> dict[str, str]:
    issued = issue_api_secret(api, name="Demo", environment=Environment.LIVE, by=COMMAND)
    return {"id": api.public_id, "identifier": api.identifier, "secret": issued.secret_text}


def _key(owner: User, api: Api, name: str, scopes: list[str]) -> str:
    issued = issue_key(
        _organization(owner), api, KeySettings(name, scopes), environment=Environment.LIVE, by=_command_for(owner)
    )
    return issued.secret_text


def _client(owner: User, api: Api, name: str, scopes: list[str]) -> dict[str, str]:
    made = create_client(
        _organization(owner),
        ClientSettings(name),
        grants={api.public_id: scopes},
        environment=Environment.LIVE,
        by=_command_for(owner),
    )
    if not isinstance(made, IssuedClient):
        raise TypeError("a client without keys of its own has a secret")
    return {"client_id": made.client.public_id, "client_secret": made.secret_text}


def _organization(owner: User) -> Organization:
    return Organization.objects.get(memberships__user=owner, is_personal=True)


def _command_for(owner: User) -> Actor:
    return Actor(ActorKind.COMMAND, owner)
