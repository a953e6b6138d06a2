"""A client of Acme, and what tokens it gets are made of."""

import pytest

from keys.models import Api, Environment
from oauth.models import Client
from oauth.services.clients import ClientSettings, create_client
from oauth.services.common import IssuedClient
from portal.audit import Actor
from portal.models import Organization


@pytest.fixture
def issued(acme: Organization, api: Api, as_ada: Actor) -> IssuedClient:
    """A live client of Acme at the Orders API, just created by ada: ``issued.client``, ``issued.secret_text``."""
    made = create_client(
        acme,
        ClientSettings("nightly sync"),
        grants={api.public_id: ["orders:read", "orders:write"]},
        environment=Environment.LIVE,
        by=as_ada,
    )
    assert isinstance(made, IssuedClient)
    return made


@pytest.fixture
def client_row(issued: IssuedClient) -> Client:
    """That client's row."""
    return issued.client
