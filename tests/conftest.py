"""The cast and what they work with, the same in every test.

ada owns Acme, ben develops there, cyn may only look; dov is a stranger who owns Initech.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import uvloop
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadFileScheduling

from keys.models import Api, ApiKey, Environment
from keys.services.api_secrets import IssuedApiSecret, issue_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api
from keys.services.credentials import IssuedCredential
from keys.services.keys import IssuedKey, KeySettings, issue_key
from keys.validation.store.database import ThreadedSnapshots
from keys.validation.wiring import HotPath
from oauth.endpoints.wiring import OAuthServer
from oauth.models import Client as OAuthClient
from oauth.replays import OwnReplays
from oauth.services.clients import ClientSettings, IssuedClient, create_client
from portal import outbox
from portal.audit import COMMAND, Actor, ActorKind
from portal.models import Membership, Organization, User
from portal.permissions import Role
from tests.support.browsers import signed_in_by
from tests.support.canary import Canary, watch
from tests.support.environment import ON_SQLITE, WITHOUT_SERVERS
from tests.support.hot_path import serving

# The shell first: it draws pages and is nothing else, and begins sooner.
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
NODE_FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node") if (NODE_FOLDER / "node_modules").is_dir() else None
NOT_INSTALLED = {
    name: package
    for name, package in {"PgBouncer": "pgbouncer", "Caddy": "caddy"}.items()
    if not shutil.which(package, path=f"{os.environ['PATH']}:/usr/sbin")
}
NEED_SERVERS = {"db", "transactional_db", "valkey", "cache"}
OF_THE_HOUSE = {"test_house.py", "test_undocumented.py"}
_canary = watch()
# The ordinary suite tests the engine on the database, as in embedded mode; the caches have tests of their own, with
# processes that hold leases. Without any, each change would wait for what nobody can know.
outbox.register_flush(None)
_serving = serving(OAuthServer(HotPath(ThreadedSnapshots()), OwnReplays(born_at=0)))
_serving.__enter__()
hypothesis_settings.register_profile("suite", deadline=None)  # a busy machine is no failure
hypothesis_settings.load_profile("suite")
_figures = pytest.StashKey[list[str]]()


class Spread(LoadFileScheduling):
    """A worker takes a whole file; all journeys are two, since each worker that has some starts a portal for them."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return f"journeys {file < 'tests/journeys/test_e'}" if file.startswith("tests/journeys/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Spread:
    """How the files are spread over the workers of a run."""
    return Spread(config, log)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """On SQLite, do not even read the files of which no test runs on both databases."""
    if ON_SQLITE and collection_path.name.startswith("test_"):
        return "both_databases" not in collection_path.read_text() or None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On SQLite, only the tests that say they run on both; a flushed database gets back what migrations put in.

    What takes longest begins first: workers take whole files in this order, and the last to end is waited for.
    """
    items.sort(key=_length)
    if ON_SQLITE or WITHOUT_SERVERS:
        is_chosen = _runs_on_both if ON_SQLITE else _needs_no_server
        config.hook.pytest_deselected(items=[item for item in items if not is_chosen(item)])
        items[:] = filter(is_chosen, items)
    for item in items:
        if not CHROMIUM and "journeys" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="no Chromium; install Debian's package chromium-headless-shell"))
        if not NODE and item.get_closest_marker("node"):
            item.add_marker(pytest.mark.skip(reason="no Node, or not its packages"))
        marker = item.get_closest_marker("django_db")
        if (marker and marker.kwargs.get("transaction")) or "transactional_db" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.django_db(transaction=True, serialized_rollback=True), append=False)


def _runs_on_both(item: pytest.Item) -> bool:
    return item.get_closest_marker("both_databases") is not None


def _needs_no_server(item: pytest.Item) -> bool:
    """Tests of functions alone, and those of the house; files beside this one start servers, as a rule."""
    asks_for = NEED_SERVERS & set(getattr(item, "fixturenames", ()))
    is_marked = any(map(item.get_closest_marker, ("django_db", "node", "prove", "skipif")))
    is_beside = item.path.parent == Path(__file__).parent and item.path.name not in OF_THE_HOUSE
    return not (asks_for or is_marked or is_beside or "journeys" in item.path.parts)


def _length(item: pytest.Item) -> int:
    """Journeys, then the files beside this one, most of which start servers, then the many small ones."""
    if "journeys" in item.path.parts:
        return 0
    return 1 if item.path.parent == Path(__file__).parent else 2


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures of the proofs, and one line where no browser was found."""
    for line in config.stash.get(_figures, []):
        terminalreporter.write_line(line)
    if not NODE and not ON_SQLITE:
        terminalreporter.write_line("Node's OAuth clients were skipped: run `npm ci` in tests/node to have them tried.")
    if not ON_SQLITE:
        for program, package in NOT_INSTALLED.items():
            terminalreporter.write_line(f"{program} was not tried: install Debian's package {package}.")
    if not CHROMIUM and not ON_SQLITE:
        terminalreporter.write_line("Browser journeys were skipped: no Chromium was found on the PATH.")


@pytest.fixture
def prove(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell a promise's figures, in one line."""
    return request.config.stash.setdefault(_figures, []).append


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that passes fails all the same if a secret it made can be found where none may be."""
    yield
    hits = _canary.hits() if _canary.made else []
    assert not hits, f"a secret stands in {', '.join(hits)}"


@pytest.fixture(scope="session")
def canary() -> Canary:
    """What remembers every secret of the run; tell it of those that another process made."""
    return _canary


@pytest.fixture(params=[None, uvloop.EventLoopPolicy()], ids=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """The kind of event loop that ``asyncio.run`` makes; a test that uses it runs once on each kind."""
    asyncio.set_event_loop_policy(request.param)
    yield
    asyncio.set_event_loop_policy(None)


@pytest.fixture
def now() -> datetime:
    """The instant at which the test began; tests move time by passing another."""
    return timezone.now()


@pytest.fixture
def acme(db: None) -> Organization:
    """The organization that ada, ben and cyn belong to."""
    return Organization.objects.create(name="Acme")


@pytest.fixture
def initech(db: None) -> Organization:
    """A stranger's organization."""
    return Organization.objects.create(name="Initech")


@pytest.fixture
def ada(acme: Organization) -> User:
    """Owns Acme."""
    return _person("ada", acme, Role.OWNER)


@pytest.fixture
def ben(acme: Organization) -> User:
    """Develops at Acme."""
    return _person("ben", acme, Role.DEVELOPER)


@pytest.fixture
def cyn(acme: Organization) -> User:
    """May only look, at Acme."""
    return _person("cyn", acme, Role.VIEWER)


@pytest.fixture
def dov(initech: Organization) -> User:
    """A stranger to Acme: owns Initech."""
    return _person("dov", initech, Role.OWNER)


def _person(name: str, organization: Organization, role: Role) -> User:
    user = User.objects.create_user(f"{name}@example.com", name=name.title())
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    Membership.objects.create(organization=organization, user=user, role=role)
    return user


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A browser in which this person has just signed in."""
    return signed_in_by


@pytest.fixture
def ada_client(ada: User, signed_in: Callable[[User], Client]) -> Client:
    """ada's browser."""
    return signed_in(ada)


@pytest.fixture
def ben_client(ben: User, signed_in: Callable[[User], Client]) -> Client:
    """ben's browser."""
    return signed_in(ben)


@pytest.fixture
def cyn_client(cyn: User, signed_in: Callable[[User], Client]) -> Client:
    """cyn's browser."""
    return signed_in(cyn)


@pytest.fixture
def dov_client(dov: User, signed_in: Callable[[User], Client]) -> Client:
    """dov's browser."""
    return signed_in(dov)


@pytest.fixture
def issued_client(acme: Organization, api: Api, as_ada: Actor) -> IssuedClient:
    """A live OAuth client of Acme at the Orders API, just created by ada, with its secret."""
    made = create_client(
        acme,
        ClientSettings("nightly sync"),
        grants={api.public_id: ["orders:read", "orders:write"]},
        environment=Environment.LIVE,
        by=as_ada,
    )
    assert isinstance(made, IssuedCredential)
    return made


@pytest.fixture
def oauth_client(issued_client: IssuedClient) -> OAuthClient:
    """That client's row."""
    return issued_client.credential


@pytest.fixture
def as_ada(ada: User) -> Actor:
    """ada, as services see who acts."""
    return Actor(ActorKind.USER, ada, "203.0.113.7", "req_test")


@pytest.fixture
def api(db: None) -> Api:
    """The Orders API, with three scopes."""
    scopes = {
        "orders:read": ScopeSettings("Read orders"),
        "orders:write": ScopeSettings("Change orders"),
        "refunds:write": ScopeSettings("Refund orders", is_sensitive=True),
    }
    return create_api("https://orders.example.com", ApiSettings("Orders", scopes), by=COMMAND).api


@pytest.fixture
def api_secret(api: Api) -> IssuedApiSecret:
    """What the backend of the Orders API presents, for live credentials."""
    return issue_api_secret(api, name="Backend", environment=Environment.LIVE, by=COMMAND)


@pytest.fixture
def issued(acme: Organization, api: Api, as_ada: Actor) -> IssuedKey:
    """A live key of Acme for the Orders API, just issued by ada: ``issued.credential``, ``issued.secret_text``."""
    wanted = KeySettings("billing worker", scopes=["orders:read", "orders:write"])
    return issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada)


@pytest.fixture
def key(issued: IssuedKey) -> ApiKey:
    """That key's row."""
    return issued.credential
