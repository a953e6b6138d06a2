"""Snapshots and status indexes in the test's memory, and a token endpoint that reads only these."""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import jwt
import msgspec
from django.conf import settings

from keys.rules.secret import SecretKind, digest, generate
from keys.validation.snapshot_names import SIGNING_KEYS, api_name, client_name, organization_name
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import (
    ApiSnapshot,
    ClientSecretFacts,
    ClientSnapshot,
    GrantFacts,
    OrganizationSnapshot,
    SigningKeyFacts,
    SigningKeysSnapshot,
    Snapshot,
)
from oauth.endpoints.http import token
from oauth.private_keys import encrypt_private_key
from oauth.protocol.ids import client_id
from oauth.protocol.jti import BlockOwner, StatusIndex
from oauth.protocol.jwk import KeyPair
from tests.support.asgi import Reply, ask
from tests.support.oauth.key_pairs import PAIRS

DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §5.2
ORDERS, BILLING = "https://orders.example.com", "https://billing.example.com"
ADDRESS = "203.0.113.7"


@dataclass
class Memory:
    """One organization with one client at the Orders API, as a source of snapshots and status indexes."""

    client: ClientSnapshot
    secret: str = field(repr=False)
    snapshots: dict[str, Snapshot] = field(repr=False)
    reads: int = 0
    indexes_taken: int = 0

    async def read(self, names: Sequence[str], *, deadline: float, owner: Owner = STRANGERS) -> Mapping[str, Snapshot]:
        """Read snapshots, with the interface of ``Snapshots``."""
        self.reads += 1
        return {name: self.snapshots[name] for name in names if name in self.snapshots}

    async def take_index(self, owner: BlockOwner, *, deadline: float) -> StatusIndex:
        """The next status index."""
        self.indexes_taken += 1
        return StatusIndex(1, self.indexes_taken)

    def change_client(self, **facts: Any) -> None:
        """Replace the client's snapshot, as an edit would."""
        self.client = msgspec.structs.replace(self.client, **facts)
        self.snapshots[client_name(self.client.client_id)] = self.client

    def change(self, name: str, **facts: Any) -> None:
        """Replace another snapshot, as an edit would."""
        self.snapshots[name] = msgspec.structs.replace(self.snapshots[name], **facts)

    @property
    def basic(self) -> tuple[str, str]:
        """The header with the client's right secret."""
        return basic(self.client.client_id, self.secret)

    def ask(self, form: Mapping[str, str] | bytes | None = None, *headers: tuple[str, str], **more: Any) -> Reply:
        """Request a token with the right secret, or with the given headers."""
        return post(form, *(headers or (self.basic,)), **more)

    def claims(self, reply: Reply) -> dict[str, Any]:
        """The claims of the token, verified as a resource server would."""
        text = reply.json["access_token"]
        kid = jwt.get_unverified_header(text)["kid"]
        keys = self.snapshots[SIGNING_KEYS]
        assert isinstance(keys, SigningKeysSnapshot)
        (key,) = [jwt.PyJWK(json.loads(each.public_key)) for each in keys.keys if each.kid == kid]
        claims: dict[str, Any] = jwt.decode(text, key, audience=ORDERS, issuer=settings.PUBLIC_URL)
        return claims


def basic(name: str, secret: str, encode: Callable[[str], str] = quote_plus) -> tuple[str, str]:
    """The header of ``client_secret_basic``."""
    pair = f"{encode(name)}:{encode(secret)}"
    return "authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"


def post(form: Mapping[str, str] | bytes | None, *headers: tuple[str, str], **more: Any) -> Reply:
    """Post a form to the token endpoint."""
    wanted = {"grant_type": "client_credentials"} if form is None else form
    body = wanted if isinstance(wanted, bytes) else urlencode(wanted).encode()
    content_type = ("content-type", more.pop("content_type", "application/x-www-form-urlencoded"))
    return ask(token, more.pop("method", "POST"), "/oauth/token", headers=[content_type, *headers], body=body, **more)


def world() -> Memory:
    """A new organization with a client, two APIs and signing keys."""
    secret = generate("lk", SecretKind.CLIENT)
    facts = ClientSecretFacts("sec_1", digest(secret.text, settings.KEY_PEPPERS[0].key), None)
    client = ClientSnapshot(
        client_id=client_id(),
        name="nightly sync",
        environment="live",
        organization_id="org_1",
        secrets=(facts,),
        public_keys=b"[]",
        grants=(GrantFacts("api_1", ORDERS, ("orders:read", "orders:write")),),
        networks=(),
        rate_limits=(),
        metadata=b"{}",
        operator_metadata=b"{}",
        token_lifetime_s=None,
        generation=3,
        revoked_indexes=frozenset(),
        is_disabled=False,
        is_revoked=False,
        is_compromised=False,
    )
    snapshots: dict[str, Snapshot] = {
        client_name(client.client_id): client,
        organization_name("org_1"): OrganizationSnapshot(
            organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=False
        ),
        api_name("api_1"): api("api_1", ORDERS, {"orders:read", "orders:write", "refunds:write"}),
        api_name("api_2"): api("api_2", BILLING, {"invoices:read"}),
        SIGNING_KEYS: SigningKeysSnapshot(tuple(map(signing_key, PAIRS.values()))),
    }
    return Memory(client, secret.text, snapshots)


def api(api_id: str, identifier: str, scopes: set[str]) -> ApiSnapshot:
    """An API whose tokens are signed with ES256."""
    return ApiSnapshot(
        api_id=api_id,
        identifier=identifier,
        scopes=frozenset(scopes),
        rate_limits=(),
        max_rate_limits=(),
        signing_algorithm="ES256",
        token_lifetime_s=900,
        is_disabled=False,
    )


def signing_key(pair: KeyPair) -> SigningKeyFacts:
    """A key that signs at present."""
    return SigningKeyFacts(
        kid=pair.kid,
        algorithm=pair.public["alg"],
        public_key=json.dumps(pair.public).encode(),
        private_key=encrypt_private_key(pair.kid, pair.private),
        signs_from=time.time() - 60,
        signs_until=None,
        kept_until=None,
    )


def refused(reply: Reply, error: str, status: int = 400) -> bool:
    """Whether the response is this error; asserts the form of RFC 6749 §5.2 and ``no-store``."""
    assert reply["content-type"] == "application/json"
    assert reply["cache-control"] == "no-store"
    assert reply.json.keys() == {"error", "error_description"}
    assert DESCRIPTION.fullmatch(reply.json["error_description"])
    return (reply.status, reply.json["error"]) == (status, error)
