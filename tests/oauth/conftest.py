"""A client of Acme, and what tokens it gets are made of."""

from collections.abc import Iterator

import pytest

from keys.models import Api, Environment
from keys.services.credentials import IssuedCredential
from keys.validation.usage.recorder import UsageRecorder
from oauth.client_auth import CLIENTS
from oauth.endpoints.token import ISSUER
from oauth.models import Client
from oauth.protocol.throttle import Failures
from oauth.services.clients import ClientSettings, IssuedClient, create_client
from portal.audit import Actor
from portal.models import Organization
from tests.support.oauth.memory import Memory, world
from tests.support.oauth.reading import reading_here


@pytest.fixture
def issued(issued_client: IssuedClient) -> IssuedClient:
    """The client of the cast, just created by ada: ``issued.client``, ``issued.secret_text``."""
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
def counted(monkeypatch: pytest.MonkeyPatch) -> UsageRecorder:
    """Where the token endpoint counts."""
    recorder = UsageRecorder(lambda _batch: None)
    monkeypatch.setattr(CLIENTS, "_usage", recorder)
    return recorder


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, counted: UsageRecorder) -> Memory:
    """A client at the Orders API that stands in no database, and a token endpoint that knows it."""
    made = world()
    monkeypatch.setattr(CLIENTS, "_snapshots", made)
    monkeypatch.setattr(CLIENTS, "_failures", Failures())
    monkeypatch.setattr(ISSUER, "_snapshots", made)
    monkeypatch.setattr(ISSUER, "_status_indexes", made)
    return made
