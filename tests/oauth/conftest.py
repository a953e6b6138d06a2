"""A client of Acme, and what tokens it gets are made of."""

from collections.abc import Iterator

import pytest

from keys.models import Api, Environment
from keys.services.credentials import IssuedCredential
from keys.validation.usage.recorder import UsageRecorder
from oauth.models import Client
from oauth.services.clients import ClientSettings, IssuedClient, create_client
from portal.audit import Actor
from portal.models import Organization
from tests.support.hot_path import using
from tests.support.oauth.memory import Memory, world
from tests.support.oauth.reading import reading_here


@pytest.fixture
def issued(issued_client: IssuedClient) -> IssuedClient:
    """The client of the cast, just created by ada: ``issued.credential``, ``issued.secret_text``."""
    return issued_client


@pytest.fixture
def client_row(oauth_client: Client) -> Client:
    """That client's row."""
    return oauth_client


@pytest.fixture
def other(acme: Organization, api: Api, as_ada: Actor) -> IssuedClient:
    """Another client at the same API and of the same organization."""
    grants = {api.public_id: ["orders:read"]}
    made = create_client(acme, ClientSettings("other"), grants=grants, environment=Environment.LIVE, by=as_ada)
    assert isinstance(made, IssuedCredential)
    return made


@pytest.fixture
def reads_here() -> Iterator[None]:
    """The engine reads what the test has not committed."""
    with reading_here():
        yield


@pytest.fixture
def counted() -> Iterator[UsageRecorder]:
    """Where the endpoints count."""
    recorder = UsageRecorder(lambda _batch: None)
    with using(usage=recorder):
        yield recorder


@pytest.fixture
def memory(counted: UsageRecorder) -> Iterator[Memory]:
    """A client at the Orders API that stands in no database, and endpoints that know it."""
    made = world()
    with using(snapshots=made, status_indexes=made):
        yield made
