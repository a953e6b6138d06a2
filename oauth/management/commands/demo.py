"""``manage.py demo``: make demo people, organizations and APIs, and new credentials unless they are refused."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, TypeVar

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.utils.crypto import salted_hmac

from keys.models import Api, Environment
from keys.services.api_secrets import issue_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api
from keys.services.credentials import IssuedCredential
from keys.services.errors import Refused
from keys.services.keys import KeySettings, issue_key
from oauth.services.clients import ClientSettings, create_client
from portal.audit import COMMAND, Actor, ActorKind
from portal.models import Organization, User
from portal.operations.served import served_at
from portal.outbox import batch_changes
from portal.services.people import rename_person, sign_up

Made = TypeVar("Made")
KEPT = "demo.json"  # in VAR_DIR: the demo data of the first start, shown again by each later start
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
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        parser.add_argument("--keys", type=int, default=0, metavar="N", help="make N more API keys")
        parser.add_argument("--once", action="store_true", help="make nothing where an earlier --once did: show that")
        parser.add_argument("--force", action="store_true", help="also outside embedded mode")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make the demo data and print it."""
        if not settings.EMBEDDED and not options["force"]:
            raise CommandError("DATABASE_URL is set: this is no demo installation. Use --force if you mean it.")
        made = _read_kept() if options["once"] else None
        if made is None:
            refused: list[str] = []
            with batch_changes():  # one invalidation of the caches for all changes
                made = make_demo(extra_keys=options["keys"], refused=refused)
            for line in refused:
                self.stderr.write(line)
            if options["once"]:
                _keep(made)
        self.stdout.write(json.dumps(made) if options["json"] else as_text(made))


def make_demo(*, extra_keys: int, refused: list[str]) -> dict[str, Any]:
    """Make the demo data with new credentials; credentials of earlier runs stay valid.

    A credential that is refused is None in the result, and ``refused`` gets a line with the reason.
    """

    def new(what: str, make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except Refused as exc:
            refused.append(f"No new {what}: {exc}")
            return None

    if not User.objects.filter(email=ADMIN_EMAIL).exists():
        User.objects.create_superuser(ADMIN_EMAIL, _password(ADMIN_EMAIL))
    user, other = _person(USER_EMAIL, "Ines Ortega", "Acme"), _person(OTHER_EMAIL, "Sam Lee", "Initech")
    api, other_api = _api(ORDERS, "Orders", SCOPES), _api(BILLING, "Billing", {"invoices:read": ScopeSettings("Read")})
    scopes = ["orders:read", "orders:write"]
    return {
        "base_url": _base_url(),
        "admin": _log_in(ADMIN_EMAIL),
        "user": _log_in(USER_EMAIL),
        "api": new("secret of the Orders API", lambda: _with_secret(api)),
        "api_key": new("key of Acme", lambda: _key(user, api, "Demo key", scopes)),
        "api_keys": [
            new("key of Acme", lambda: _key(user, api, f"Demo key {number}", scopes))  # noqa: B023  # called at once
            for number in range(1, extra_keys + 1)
        ],
        "client": new("client of Acme", lambda: _client(user, api, "Demo client", scopes)),
        "scopes": scopes,
        "management_key": new(
            "management key of Acme", lambda: _key(user, _builtin(), "Demo management key", _all_scopes(_builtin()))
        ),
        "other": {
            "api": new("secret of the Billing API", lambda: _with_secret(other_api)),
            "api_key": new("key of Initech", lambda: _key(other, other_api, "Other demo key", _all_scopes(other_api))),
            "client": new(
                "client of Initech", lambda: _client(other, other_api, "Other demo client", _all_scopes(other_api))
            ),
        },
    }


def _read_kept() -> dict[str, Any] | None:
    """The demo data that an earlier run kept, with the present address and passwords; None if there is none."""
    try:
        kept: dict[str, Any] = json.loads((settings.VAR_DIR / KEPT).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return kept | {"base_url": _base_url(), "admin": _log_in(ADMIN_EMAIL), "user": _log_in(USER_EMAIL)}


def _keep(made: dict[str, Any]) -> None:
    path = settings.VAR_DIR / KEPT
    path.touch(mode=0o600)
    path.write_text(json.dumps(made))


def _base_url() -> str:
    """The address of the running ``serve``, else PUBLIC_URL."""
    return (settings.EMBEDDED and served_at()) or settings.PUBLIC_URL


def as_text(made: dict[str, Any]) -> str:
    """The log-ins and a ``curl`` command, for a person to read."""
    people = {"developer": made["user"], "admin": made["admin"]}
    shown = [
        f"  {name:<10} {person['email']:<16} {person['password'] or '(changed since)'}"
        for name, person in people.items()
    ]
    lines = ["", "Sign in as", *shown, ""]
    if made["api"] and made["api_key"]:
        lines += ["Ask whether the demo key is good", "", curl(made), ""]
    lines += ["If a secret above no longer works, or is missing: `.venv/bin/python manage.py demo` makes new ones.", ""]
    return "\n".join(lines)


def curl(made: dict[str, Any]) -> str:
    """A ``curl`` command that validates the demo key."""
    body = json.dumps({"credential": made["api_key"], "scopes": ["orders:read"]})
    return f"""\
curl -s {made["base_url"]}/v1/validate \\
  -H 'Authorization: Bearer {made["api"]["secret"]}' \\
  -H 'Content-Type: application/json' \\
  -d '{body}'"""


def _person(email: str, name: str, organization_name: str) -> User:
    """The demo person with this address; made, verified, with a personal organization of that name if missing."""
    found = User.objects.filter(email=email).first()
    if found is None:
        person = User(email=email, name=organization_name, password=make_password(_password(email)))
        found = sign_up(person, by=COMMAND)
        EmailAddress.objects.filter(user=found).update(verified=True)
        rename_person(found, name, by=COMMAND)
    return found


def _password(email: str) -> str:
    """The demo password: derived from SECRET_KEY, so the same on each run and not guessable."""
    return salted_hmac("latchkey.demo", email, algorithm="sha256").hexdigest()[:24]


def _log_in(email: str) -> dict[str, str | None]:
    """The address and the demo password; the password is None once it was changed or the person deactivated."""
    user, password = User.objects.filter(email=email, is_active=True).first(), _password(email)
    return {"email": email, "password": password if user and user.check_password(password) else None}


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
    if not isinstance(made, IssuedCredential):
        raise TypeError("a client without keys of its own has a secret")
    return {"client_id": made.credential.public_id, "client_secret": made.secret_text}


def _organization(owner: User) -> Organization:
    found = Organization.objects.filter(memberships__user=owner, is_personal=True).first()
    if found is None:
        raise Refused(f"{owner.email} has no organization any more.")
    return found


def _command_for(owner: User) -> Actor:
    return Actor(ActorKind.COMMAND, owner)
