"""Fuzz the OAuth endpoints with random requests and with requests that are right except for one value."""

import base64
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import hypothesis
from hypothesis import HealthCheck
from hypothesis import strategies as st

from keys.models import Environment
from keys.services.api_secrets import issue_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api
from keys.services.credentials import IssuedCredential
from keys.services.keys import KeySettings, issue_key
from oauth.protocol.client_auth_methods import ASSERTION_TYPE
from oauth.services.clients import ClientSettings, create_client
from portal.asgi import application
from portal.audit import COMMAND
from portal.models import Organization
from tests.support.asgi import Reply, ask
from tests.support.oauth.memory import basic
from tests.support.oauth.minting import claims_for, sign
from tests.support.oauth.reading import reading_here

SCOPE = "orders:read"
FORM = "application/x-www-form-urlencoded"
ENDPOINTS = ("/oauth/token", "/oauth/introspect", "/oauth/revoke")
DOCUMENTS = (
    "/oauth/status",
    "/oauth/status/1",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
)
NAMES = (
    "grant_type", "scope", "audience", "resource", "client_id", "client_secret", "client_assertion",
    "client_assertion_type", "token", "token_type_hint",
)  # fmt: skip
TYPES = {"application/json", "application/jwk-set+json", "application/problem+json"}
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §5.2


@dataclass(frozen=True)
class Insider:
    """Valid credentials for the fuzzer: right headers, and the values of a right form."""

    headers: Sequence[str] = field(repr=False)
    words: Sequence[str] = field(repr=False)


def insider() -> Insider:
    """Make a client, its API with an API secret, a token of the client and a key; returns their credentials."""
    organization = Organization.objects.create(name="Acme")
    api = create_api("https://orders.example.com", ApiSettings("Orders", {SCOPE: ScopeSettings("")}), by=COMMAND).api
    live, grants = Environment.LIVE, {api.public_id: [SCOPE]}
    client = create_client(organization, ClientSettings("sync"), grants=grants, environment=live, by=COMMAND)
    assert isinstance(client, IssuedCredential)
    key = issue_key(organization, api, KeySettings("k", scopes=[SCOPE]), environment=live, by=COMMAND)
    api_secret = issue_api_secret(api, name="Backend", environment=live, by=COMMAND).secret_text
    client_id, secret = client.credential.public_id, client.secret_text
    token = sign(claims_for(client.credential, api, SCOPE))
    return Insider(
        [basic(client_id, secret)[1], basic(api.public_id, api_secret)[1], f"Bearer {api_secret}"],
        [token, key.secret_text, api.identifier, SCOPE, client_id, secret],
    )


@dataclass(frozen=True)
class Request:
    """A request to send."""

    method: str
    path: str
    query: bytes
    headers: Sequence[tuple[str, str]] = field(repr=False)  # may contain valid credentials
    body: bytes = field(repr=False)


def requests(known: Insider) -> st.SearchStrategy[Request]:
    """A strategy for requests that fail at every stage from the first byte to the last check."""
    words = st.sampled_from([*known.words, ASSERTION_TYPE, "client_credentials", "access_token", ""]) | st.text()
    pairs = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), words), max_size=6)
    right = st.sampled_from([[("grant_type", "client_credentials")], *([("token", word)] for word in known.words)])
    forms = st.tuples(right, st.just([]) | pairs).map(lambda both: both[0] + both[1]) | pairs
    bodies = forms.map(lambda form: urlencode(form).encode()) | st.binary(max_size=200)
    line = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)  # as a server accepts
    garbled = st.binary(max_size=60).map(lambda raw: f"Basic {base64.b64encode(raw).decode()}")
    authorizations = st.lists(st.sampled_from(known.headers) | garbled | line, max_size=2)
    others = st.lists(
        st.tuples(
            st.sampled_from(
                ["if-none-match", "accept-encoding", "x-request-id", "content-encoding", "x-forwarded-for"]
            ),
            line,
        ),
        max_size=2,
    )
    headers = st.builds(
        lambda content_type, authorizations, others: [
            ("content-type", content_type),
            *(("authorization", each) for each in authorizations),
            *others,
        ],
        st.just(FORM) | st.sampled_from(["application/json", f"{FORM}; charset=utf-8", f"{FORM}; charset=x"]) | line,
        authorizations,
        st.just([]) | others,
    )
    queries = st.just(b"") | forms.map(lambda form: urlencode(form).encode()) | st.binary(max_size=60)
    strange = st.builds("{}{}".format, st.sampled_from(["/oauth/", "/oauth/status/", "/.well-known/"]), st.text())
    methods = st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X"])
    return st.builds(
        Request, st.just("POST") | methods, st.sampled_from(ENDPOINTS), st.just(b"") | queries, headers, bodies
    ) | st.builds(
        Request, st.just("GET") | methods, st.sampled_from(DOCUMENTS) | strange, queries, headers, st.just(b"") | bodies
    )


def fuzz(*, times: int) -> Counter[int]:
    """Send ``times`` requests. Returns the number of responses by status; fails for one that ``check`` refuses."""
    seen: Counter[int] = Counter()

    @hypothesis.settings(max_examples=times, suppress_health_check=list(HealthCheck))
    @hypothesis.given(requests(insider()))
    def send(request: Request) -> None:
        reply = ask(
            application, request.method, request.path, query=request.query, headers=request.headers, body=request.body
        )
        seen[reply.status] += 1
        check(request, reply)

    with reading_here():
        send()
    return seen


def check(request: Request, reply: Reply) -> None:
    """Assert that a response is JSON or a signed list, no 5xx, without cookie or redirect.

    An error below ``/oauth/`` has to have the form of RFC 6749 §5.2.
    """
    names = {name for name, _ in reply.headers}
    assert reply.status < 500
    assert names.isdisjoint({"set-cookie", "location"})
    assert {"x-request-id", "cache-control", "content-type"} <= names
    if not reply.body:
        is_revoked = reply.status == 200 and request.path == "/oauth/revoke"
        assert is_revoked or request.method == "HEAD" or reply.status == 304
    elif reply["content-type"] == "application/statuslist+jwt":
        assert reply.status == 200
    else:
        assert reply["content-type"] in TYPES
        told = json.loads(reply.body)
        if reply.status >= 400 and request.path.startswith("/oauth/"):
            assert told.keys() == {"error", "error_description"}
            assert DESCRIPTION.fullmatch(told["error_description"])
