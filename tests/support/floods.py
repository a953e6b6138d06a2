"""Requests for floods, in the proofs and in their short form. The attacking tenant is Acme."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from keys.rules.secret import SecretKind, generate
from oauth.protocol.client_auth_methods import ASSERTION_TYPE
from tests.support.strangers import Wave, request, validation

FORM = "application/x-www-form-urlencoded"
MALFORMED = b'{"credential":"x","scopes":[' + b"[]," * 21_000 + b"[]]}"
Demo = Mapping[str, Any]


def malformed_by_strangers(number: int) -> list[bytes]:
    """Malformed validations of 64 KiB: one with a malformed API secret, ``number`` with unknown API secrets."""
    return [validation("x", MALFORMED), *(validation(_unknown(SecretKind.API), MALFORMED) for _ in range(number))]


def malformed_by_tenant(demo: Demo) -> list[bytes]:
    """A validation with a malformed 64 KiB body and the tenant's API secret."""
    return [validation(demo["api"]["secret"], MALFORMED)]


def unknown_api_secrets(number: int) -> list[bytes]:
    """Validations by strangers, each with a different API secret that is well formed but unknown."""
    return [validation(_unknown(SecretKind.API), _asking(_unknown(SecretKind.LIVE))) for _ in range(number)]


def unknown_keys(demo: Demo, number: int) -> list[bytes]:
    """Validations by the tenant's backend, each of a different key that is well formed but unknown."""
    return [validation(demo["api"]["secret"], _asking(_unknown(SecretKind.LIVE))) for _ in range(number)]


def bogus_assertions(client_id: str) -> list[bytes]:
    """A token request as this client, with an assertion that none of its keys has signed."""
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "iat": now, "exp": now + 60, "jti": "1"}
    parts = [b64(json.dumps(each).encode()) for each in ({"alg": "RS256"}, claims)]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": ".".join([*parts, b64(b"\x01" * 384)]),
    }
    return [request("POST", "/oauth/token", urlencode(form).encode(), content_type=FORM)]


def repeated_revocation(demo: Demo, port: int) -> list[bytes]:
    """The revocation, by the tenant's client, of a token that is issued here for this purpose."""
    client = demo["client"]
    grant = client | {"grant_type": "client_credentials"}
    answer = httpx.post(f"http://localhost:{port}/oauth/token", data=grant).raise_for_status()
    form = client | {"token": answer.json()["access_token"]}
    return [request("POST", "/oauth/revoke", urlencode(form).encode(), content_type=FORM)]


def of_every_kind(demo: Demo, port: int) -> list[Wave]:
    """A few connections of each flood."""
    floods = [
        malformed_by_strangers(1),
        malformed_by_tenant(demo),
        unknown_api_secrets(50),
        unknown_keys(demo, 50),
        bogus_assertions(demo["client"]["client_id"]),
        repeated_revocation(demo, port),
    ]
    return [Wave(2, requests, pause_s=0.05) for requests in floods]


def b64(raw: bytes) -> str:
    """The bytes in base64url without padding, as in a JWT."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _asking(credential: str) -> bytes:
    return json.dumps({"credential": credential}).encode()


def _unknown(kind: SecretKind) -> str:
    return generate("lk", kind).text
