"""Everything that the metadata advertises works, and nothing more does: asked of it, item by item."""

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from keys.models import Api, Environment
from keys.services.api_secrets import IssuedApiSecret
from oauth.protocol import jwk
from oauth.protocol.client_auth_methods import ASSERTION_TYPE
from oauth.protocol.metadata import document
from oauth.services.clients import ClientSettings, IssuedClient, create_client
from portal.audit import COMMAND
from portal.models import Organization
from tests.support.asgi import Reply, ask
from tests.support.oauth.key_pairs import PAIRS
from tests.support.oauth.memory import basic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reads_here")]
SAID: dict[str, Any] = json.loads(document(settings.PUBLIC_URL))
KEYS = {algorithm: jwk.load_private(pair.private) for algorithm, pair in PAIRS.items()}
FORMS = {"token": {"grant_type": "client_credentials"}, "introspection": {"token": "x"}, "revocation": {"token": "x"}}
# What else the registries of IANA have ("OAuth Token Endpoint Authentication Methods", JOSE, grants of OAuth's RFCs).
METHODS = {
    "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth", "none", "Bearer",
}  # fmt: skip
ALGORITHMS = {
    "ES256", "RS256", "EdDSA", "none", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384", "PS512",
}  # fmt: skip
GRANT_TYPES = {
    "client_credentials", "authorization_code", "implicit", "password", "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
}  # fmt: skip
numbers = count()
Ways = dict[str, tuple[list[tuple[str, str]], dict[str, str]]]


@pytest.fixture
def keyed(acme: Organization, api: Api) -> str:
    """A client with a key of each algorithm."""
    wanted = ClientSettings("keyed", public_keys=[pair.public for pair in PAIRS.values()])
    grants = {api.public_id: ["orders:read"]}
    return create_client(acme, wanted, grants=grants, environment=Environment.LIVE, by=COMMAND).credential.public_id


def asserted(client_id: str, algorithm: str, *, secret: str = "") -> dict[str, str]:
    """``private_key_jwt`` by this algorithm, or ``client_secret_jwt``: signed with whichever key fits best."""
    names = {"iss": client_id, "sub": client_id, "aud": settings.PUBLIC_URL, "jti": f"{next(numbers)}"}
    now = int(time.time())
    fitting = algorithm if algorithm in KEYS else "RS256"
    key: Any = None if algorithm == "none" else secret or KEYS[fitting]
    text = jwt.encode(
        names | {"iat": now, "exp": now + 60},
        key,
        algorithm,
        headers={"kid": PAIRS[fitting].kid, "typ": "client-authentication+jwt"},
    )
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


def let_in(endpoint: str, headers: list[tuple[str, str]], form: dict[str, str]) -> bool:
    """Whether whoever authenticates so is let in; the only other answer is 401."""
    reply = at(SAID[f"{endpoint}_endpoint"], headers, FORMS[endpoint] | form)
    assert reply.status in {200, 401}
    return reply.status == 200


def at(address: str, headers: list[tuple[str, str]], form: dict[str, str]) -> Reply:
    """The answer of the app that has this address."""
    path = urlsplit(address).path
    content_type = ("content-type", "application/x-www-form-urlencoded")
    return ask(
        import_string(settings.HOT_PATHS[path]),
        "POST",
        path,
        headers=[content_type, *headers],
        body=urlencode(form).encode(),
    )


@pytest.fixture
def ways(issued: IssuedClient, keyed: str, api_secret: IssuedApiSecret) -> Ways:
    """Each registered way to authenticate, done right."""
    client_id, secret = issued.credential.public_id, issued.secret_text
    return {
        "client_secret_basic": ([basic(client_id, secret)], {}),
        "client_secret_post": ([], {"client_id": client_id, "client_secret": secret}),
        "client_secret_jwt": ([], asserted(client_id, "HS256", secret=secret)),
        "private_key_jwt": ([], asserted(keyed, "ES256")),
        "tls_client_auth": ([], {"client_id": client_id}),
        "self_signed_tls_client_auth": ([], {"client_id": keyed}),
        "none": ([], {"client_id": client_id}),
        "Bearer": ([("authorization", f"Bearer {api_secret.secret_text}")], {}),
    }


@pytest.mark.parametrize("endpoint", FORMS)
def test_clients_authenticate_in_the_ways_that_are_advertised_and_in_no_other(endpoint: str, ways: Ways) -> None:
    """MD4."""
    assert ways.keys() == METHODS
    working = {method for method, way in ways.items() if let_in(endpoint, *way)}
    assert working == {*SAID[f"{endpoint}_endpoint_auth_methods_supported"]}


@pytest.mark.parametrize("endpoint", FORMS)
def test_assertions_are_signed_by_the_algorithms_that_are_advertised_and_by_no_other(endpoint: str, keyed: str) -> None:
    """MD4."""

    def is_taken(algorithm: str) -> bool:
        known_to_all = PAIRS["RS256"].public["n"] if algorithm.startswith("HS") else ""
        return let_in(endpoint, [], asserted(keyed, algorithm, secret=known_to_all))

    working = {algorithm for algorithm in ALGORITHMS if is_taken(algorithm)}
    assert working == {*SAID[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]}


def test_grants_are_of_the_types_that_are_advertised_and_of_no_other(issued: IssuedClient) -> None:
    """MD4."""
    own = basic(issued.credential.public_id, issued.secret_text)
    replies = {each: at(SAID["token_endpoint"], [own], {"grant_type": each}) for each in GRANT_TYPES}
    assert {each for each, reply in replies.items() if reply.status == 200} == {*SAID["grant_types_supported"]}
    refused = [reply for reply in replies.values() if reply.status != 200]
    assert {reply.json["error"] for reply in refused} == {"unsupported_grant_type"}


def addresses() -> Iterator[str]:
    return (value for name, value in SAID.items() if name.endswith(("_endpoint", "_uri")))


def test_every_address_that_is_advertised_answers_and_there_is_no_other_endpoint() -> None:
    """MD4."""
    advertised = {urlsplit(address).path for address in addresses()}
    there = {path for path in settings.HOT_PATHS if path.startswith("/oauth/") or path.endswith("jwks.json")}
    assert advertised == there
