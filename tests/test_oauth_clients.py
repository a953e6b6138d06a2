"""Unmodified OAuth clients get tokens from a running portal, and unmodified resource servers check them offline."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
import redis
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet
from oauthlib.oauth2 import BackendApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from oauth.protocol import jwk
from oauth.protocol.jwk import ALGORITHMS, KeyPair
from oauth.protocol.metadata import document
from oauth.replays import USED
from tests.conftest import NODE, NODE_FOLDER
from tests.support import live
from tests.support.canary import Canary

SCOPE = "orders:read"
MAKE_KEYED_CLIENT = """
import json, sys
from keys.models import Api, Environment
from oauth.services.clients import ClientSettings, create_client
from portal.audit import COMMAND
from portal.models import Organization
api = Api.objects.get(identifier="https://orders.example.com")
wanted = ClientSettings("keyed", public_keys=[json.loads({public!r})])
made = create_client(
    Organization.objects.get(name="Acme"), wanted, grants={{api.public_id: ["orders:read"]}},
    environment=Environment.LIVE, by=COMMAND,
)
print(made.credential.public_id)
"""


@dataclass
class Portal:
    """A running portal and two clients of it: one with a secret, one with a key."""

    url: str
    backend_secret: str = field(repr=False)
    audience: str
    client_id: str
    client_secret: str = field(repr=False)
    keyed_id: str
    pair: KeyPair

    @property
    def private_jwk(self) -> dict[str, str | list[str]]:
        """The key as its owner has it."""
        private = ALGORITHMS["ES256"].to_jwk(jwk.load_private(self.pair.private), as_dict=True)
        return {**self.pair.public, "d": private["d"]}

    @property
    def token_url(self) -> str:
        """Where tokens come from."""
        return f"{self.url}/oauth/token"

    def is_valid(self, token: str) -> bool:
        """Whether the API's backend is told that the token is good for a call."""
        answer = httpx.post(
            f"{self.url}/v1/validate",
            json={"credential": token, "scopes": [SCOPE]},
            headers={"Authorization": f"Bearer {self.backend_secret}"},
        )
        return bool(answer.json()["valid"])

    def token(self) -> str:
        """A token, got by hand."""
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        answer = httpx.post(self.token_url, data=form, auth=(self.client_id, self.client_secret))
        text: str = answer.raise_for_status().json()["access_token"]
        return text


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Portal]:
    """A portal in production mode."""
    with (
        live.database_with_demo() as (database_url, demo),
        live.portal(tmp_path_factory.mktemp("oauth"), database_url=database_url) as running,
    ):
        canary.remember(demo["client"]["client_secret"])
        pair = jwk.generate("ES256")
        program = MAKE_KEYED_CLIENT.format(public=json.dumps(pair.public))
        keyed_id = running.manage("shell", "--no-imports", "-c", program).strip()
        _let_the_memory_of_assertions_be_old()
        yield Portal(
            url=running.url,
            backend_secret=demo["api"]["secret"],
            audience=demo["api"]["identifier"],
            client_id=demo["client"]["client_id"],
            client_secret=demo["client"]["client_secret"],
            keyed_id=keyed_id,
            pair=pair,
        )
        assert not canary.is_in(running.log)
        assert "request.failed" not in running.log


def _let_the_memory_of_assertions_be_old() -> None:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        run = client.info("server")["run_id"] + client.info("replication")["master_replid"]
        client.zadd(USED, {f"born:{run}": -(time.time() - 60)})


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_introspects_and_revokes_a_token(portal: Portal, method: str) -> None:
    session = AuthlibSession(
        portal.client_id,
        portal.client_secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    token = session.fetch_token(portal.token_url, grant_type="client_credentials", scope=SCOPE)["access_token"]
    assert portal.is_valid(token)
    about = {"token": token, "token_type_hint": "access_token"}
    assert session.introspect_token(f"{portal.url}/oauth/introspect", **about).json()["client_id"] == portal.client_id
    assert session.revoke_token(f"{portal.url}/oauth/revoke", **about).status_code == 200
    assert session.introspect_token(f"{portal.url}/oauth/introspect", **about).json() == {"active": False}
    assert not portal.is_valid(token)


def test_authlib_gets_a_token_by_a_key_of_its_own(portal: Portal) -> None:
    private = ECKey.import_key(portal.private_jwk)
    session = AuthlibSession(portal.keyed_id, private, token_endpoint_auth_method="private_key_jwt")
    claims = {"aud": portal.url, "exp": int(time.time()) + 60}  # its own are the endpoint's address, and an hour
    session.register_client_auth_method(PrivateKeyJWT(portal.token_url, claims=claims, alg="ES256"))
    token = session.fetch_token(portal.token_url, grant_type="client_credentials", resource=portal.audience)
    assert portal.is_valid(token["access_token"])


def test_requests_oauthlib_gets_introspects_and_revokes_a_token(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # plain http, on this very machine
    client = BackendApplicationClient(portal.client_id, scope=SCOPE)
    session, own = OAuth2Session(client=client), HTTPBasicAuth(portal.client_id, portal.client_secret)
    token = session.fetch_token(portal.token_url, client_id=portal.client_id, client_secret=portal.client_secret)
    text = token["access_token"]
    assert portal.is_valid(text)

    def introspected() -> dict[str, Any]:
        form = {"token": text, "token_type_hint": "access_token"}
        answer = session.post(f"{portal.url}/oauth/introspect", data=form, auth=own, withhold_token=True)
        told: dict[str, Any] = answer.json()
        return told

    assert introspected()["client_id"] == portal.client_id
    url, headers, body = client.prepare_token_revocation_request(f"{portal.url}/oauth/revoke", text)
    answer = session.post(url, data=body, headers=headers, auth=own, withhold_token=True)
    assert (answer.status_code, answer.content) == (200, b"")
    assert introspected() == {"active": False}
    assert not portal.is_valid(text)


def test_pyjwt_verifies_offline(portal: Portal) -> None:
    text = portal.token()
    key = jwt.PyJWKClient(f"{portal.url}/.well-known/jwks.json").get_signing_key_from_jwt(text)
    claims = jwt.decode(text, key, audience=portal.audience, issuer=portal.url)
    assert claims["client_id"] == portal.client_id


def test_joserfc_verifies_offline(portal: Portal) -> None:
    keys = KeySet.import_key_set(httpx.get(f"{portal.url}/.well-known/jwks.json").json())
    decoded = joserfc_jwt.decode(portal.token(), keys, algorithms=["ES256"])
    joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": portal.url}, aud={"essential": True, "value": portal.audience}
    ).validate(decoded.claims)
    assert decoded.header["typ"] == "at+jwt"


def test_authlib_accepts_the_metadata() -> None:
    said = AuthorizationServerMetadata(json.loads(document("https://keys.example.com")))
    said.validate()
    assert said["issuer"] == "https://keys.example.com"


@pytest.fixture(scope="module")
def in_node(portal: Portal) -> dict[str, Any]:
    """What the libraries of Node come to."""
    assert NODE
    keyed = {"id": portal.keyed_id, "jwk": portal.private_jwk}
    wanted = {
        "issuer": portal.url,
        "audience": portal.audience,
        "scope": SCOPE,
        "secret": {"id": portal.client_id, "secret": portal.client_secret},
        "keyed": keyed,
    }
    done = subprocess.run(
        [NODE, "clients.js"], input=json.dumps(wanted), cwd=NODE_FOLDER, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.node
def test_openid_client_oauth4webapi_and_simple_oauth2_get_tokens(portal: Portal, in_node: dict[str, Any]) -> None:
    tokens = in_node["tokens"]
    assert len(set(tokens.values())) == 8
    assert [name for name, token in tokens.items() if not portal.is_valid(token)] == []


@pytest.mark.node
def test_openid_client_oauth4webapi_and_simple_oauth2_revoke_what_they_introspect(in_node: dict[str, Any]) -> None:
    assert in_node["introspected"] == {
        "openid-client": [True, False],
        "oauth4webapi": [True, False],
        "simple-oauth2": [True, False],
    }


@pytest.mark.node
def test_jose_oauth4webapi_and_express_verify_offline(portal: Portal, in_node: dict[str, Any]) -> None:
    assert {claims["client_id"] for claims in in_node["verified"].values()} == {portal.client_id}
    assert len(in_node["verified"]) == 3
    assert in_node["refused"] == {
        "jose": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "express-oauth2-jwt-bearer": 401,
        "express-oauth2-jwt-bearer, another API": 401,
    }
