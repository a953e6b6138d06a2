"""All pages of a live portal with awkward data, and the people who open them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from keys.models import Api, ApiKey, ApiSecret
from oauth.models import Client, SigningKey
from portal.models import AuditEvent, Invitation, Organization, ServiceAccount, User
from tests.support.addresses import addresses
from tests.support.awkward import LONG_ADDRESS, NAMES, Awkward, make_awkward
from tests.support.browsers import signed_in_by
from tests.support.canary import Canary
from tests.support.live import Live
from tests.support.staff import make_superuser

_PAGES = ("detail", "settings", "edit", "roll", "revocation", "credential_activity")
_ABOUT_LISTS = {
    "keys:list retiring": "/app/keys/?status=Retiring&sort=name",
    "keys:list of short names": "/app/keys/?q=billing+worker",
    "keys:list without a match": "/app/keys/?q=nothing-of-this-name",
    "clients:list without a match": "/app/clients/?q=nothing-of-this-name",
    "keys:activity of edits": "/app/activity/?action=key.edited",
    "keys:activity without a match": "/app/activity/?subject=nothing-of-this-name",
    "not found": "/app/nothing-here/",
}
VISITOR, OWNER, VIEWER, NEWCOMER, OPERATOR = "visitor", "owner", "viewer", "newcomer", "operator"


@dataclass(frozen=True)
class Visit:
    """An address and the person who opens it."""

    name: str
    path: str
    person: str


@dataclass(frozen=True)
class Visits:
    """The pages to open: each route, and pages about special data. ``sessions`` has people's cookies."""

    cookie: str
    sessions: Mapping[str, str]
    routes: Sequence[Visit]
    special: Sequence[Visit]


def fill(portal: Live, canary: Canary) -> Visits:
    """Make the data in the portal's database, and tell the canary its secrets."""
    code = "from tests.support.awkward_pages import _tell; _tell()"
    told = json.loads(portal.manage("shell", "--verbosity=0", "-c", code))
    for secret in told["secrets"]:
        canary.remember(secret)
    routes, special = ([Visit(*each) for each in told[kind]] for kind in ("routes", "special"))
    return Visits(told["cookie"], told["sessions"], routes, special)


def _tell() -> None:
    """Make the data and print what ``fill`` needs; runs in a process with the portal's settings."""
    awkward = make_awkward()
    people = {
        OWNER: signed_in_by(awkward.owner),
        VIEWER: signed_in_by(User.objects.get(email="cyn@example.com")),
        NEWCOMER: signed_in_by(_newcomer()),
        OPERATOR: signed_in_by(_operator(), "mfa"),
    }
    told = {
        "cookie": settings.SESSION_COOKIE_NAME,
        "sessions": {person: _session(browser) for person, browser in people.items()},
        "secrets": awkward.secrets,
        "routes": [astuple(visit) for visit in _routes(awkward)],
        "special": [astuple(visit) for visit in _special(awkward)],
    }
    print(json.dumps(told))  # noqa: T201  # for the process that runs this one


def _session(browser: Browser) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def _newcomer() -> User:
    user = User.objects.create_user("dov@example.com", name=NAMES[8])
    Organization.objects.create(name=NAMES[6]).memberships.create(user=user, role="owner")
    return user


def _operator() -> User:
    eve = make_superuser()
    Authenticator.objects.create(user=eve, type=Authenticator.Type.WEBAUTHN, data={"name": NAMES[2], "credential": {}})
    return eve


def _routes(awkward: Awkward) -> Iterator[Visit]:
    """Each route, for each person whom it may be for."""
    key, client = _working(awkward), Client.objects.latest("pk")
    lately = (ApiSecret, AuditEvent, Invitation, ServiceAccount, SigningKey)
    group = Group.objects.create(name=NAMES[3])
    others = [awkward.organization, awkward.owner, awkward.api, key, client, group]
    others += [found for model in lately if (found := model._default_manager.last())]
    for route in addresses(key, client, *others):
        for person in (OPERATOR,) if route.is_of_admin else (VISITOR, OWNER):
            yield Visit(route.name, route.path, person)


def _working(awkward: Awkward) -> ApiKey:
    """The owner's newest key that works."""
    owned = ApiKey.objects.filter(owner=awkward.owner, revoked_at=None, disabled_at=None)
    return owned.filter(expires_at=None, not_before=None).latest("pk")


def _special(awkward: Awkward) -> Iterator[Visit]:
    """Pages about what is special, and pages for people who may do little or have nothing yet."""
    for name, path in _ABOUT_LISTS.items():
        yield Visit(name, path, OWNER)
    yield from _about_credentials(awkward)
    yield from _about_people()
    own = _working(awkward).public_id
    for page in ("", "keys/", "clients/", "activity/", "team/", "settings/", "keys/new/", f"keys/{own}/"):
        for person in (VIEWER, NEWCOMER):
            yield Visit(f"/app/{page.replace(own, 'key')}", f"/app/{page}", person)
    for model in ("keys/apikey", "portal/auditevent", "portal/user"):
        yield Visit(f"/admin/{model}/ without a match", f"/admin/{model}/?q=nothing-of-this-name", OPERATOR)


def _about_credentials(awkward: Awkward) -> Iterator[Visit]:
    working = ApiKey.objects.filter(organization=awkward.organization, revoked_at=None, disabled_at=None)
    many, retiring = {"api": awkward.api, "networks__0__isnull": False}, {"secrets__ends_at__isnull": False}
    newest = {
        "of all scopes": working.filter(**many, scopes__0__isnull=False).latest("pk"),
        "retiring": working.filter(**retiring).latest("pk"),
        "right to left": working.filter(name=NAMES[6]).latest("pk"),
        "of wide letters": working.filter(name=NAMES[4]).latest("pk"),
        "of emoji": working.filter(name=NAMES[9]).latest("pk"),
        "revoked": ApiKey.objects.exclude(revoked_at=None).latest("pk"),
    }
    for words, key in newest.items():
        for page in _PAGES if words in {"of all scopes", "retiring"} else _PAGES[:1]:
            yield Visit(f"keys:{page} {words}", reverse(f"keys:{page}", args=[key.public_id]), OWNER)
    client = Client.objects.filter(grants__api=awkward.api, disabled_at=None, networks__0__isnull=False).latest("pk")
    for page in _PAGES:
        yield Visit(f"clients:{page} of all scopes", reverse(f"clients:{page}", args=[client.public_id]), OWNER)
    orders = Api.objects.get(name="Orders")
    for words, api in (("of all scopes", awkward.api), ("of few scopes", orders)):
        yield Visit(f"keys:new {words}", f"/app/keys/new/?api={api.public_id}", OWNER)


def _about_people() -> Iterator[Visit]:
    member = User.objects.get(email=LONG_ADDRESS)
    for page in ("role", "removal"):
        yield Visit(f"team:{page} of a long address", reverse(f"team:{page}", args=[member.public_id]), OWNER)
    passkey = Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)
    for page in ("", "totp/deactivate/", "recovery-codes/", "passkeys/{}/name/", "passkeys/{}/removal/"):
        yield Visit(f"/accounts/2fa/{page}", f"/accounts/2fa/{page.format(passkey.pk)}", OPERATOR)
