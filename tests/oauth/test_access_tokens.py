"""A JWT of ours at ``/v1/validate`` and ``/v1/whoami``: decided as a key is, and revoked from one call to the next."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from jwt.algorithms import ECAlgorithm

from keys.models import Api, Environment, RevokeReason
from keys.rules.field_rules import RateLimit
from keys.services.api_secrets import IssuedApiSecret, issue_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api, disable_api, edit_api
from keys.services.credentials import disable_credential, note_credential, revoke_credential
from keys.team.services.departures import remove_member
from keys.validation import credential_cache
from keys.validation.digest_cache import DigestCache, keyed_digest
from keys.validation.http import validate, whoami
from oauth import access_tokens
from oauth.models import Client
from oauth.protocol import jwk
from oauth.protocol.access_token import Claims
from oauth.services.clients import ClientSettings, edit_client
from oauth.services.signing_keys import drop_signing_keys
from oauth.services.tokens import revoke_all_tokens, revoke_token
from portal.audit import COMMAND, Actor
from portal.models import Membership, User
from portal.services.organizations import note_organization, suspend_organization
from tests.support.asgi import Reply, ask
from tests.support.oauth.minting import claims_for, ring, sign

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("reads_here")]


def ask_validate(secret: IssuedApiSecret, token: str, **call: object) -> Any:
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {secret.secret_text}")]
    body = json.dumps({"credential": token, **call}).encode()
    reply = ask(validate, "POST", "/v1/validate", headers=headers, body=body)
    assert reply.status == 200
    return reply.json


def ask_whoami(token: str) -> Reply:
    return ask(whoami, "GET", "/v1/whoami", headers=[("authorization", f"Bearer {token}")])


@pytest.fixture
def claims(client_row: Client, api: Api) -> Claims:
    """What a token of the nightly sync says, with both of its scopes."""
    return claims_for(client_row, api, "orders:read", "orders:write")


@pytest.fixture
def token(claims: Claims) -> str:
    """That token."""
    return sign(claims)


@pytest.mark.parametrize("algorithm", jwk.ALGORITHMS)
def test_a_good_token_is_valid(api_secret: IssuedApiSecret, client_row: Client, claims: Claims, algorithm: str) -> None:
    told = ask_validate(api_secret, sign(claims, algorithm=algorithm), scopes=["orders:read"], ip="203.0.113.9")
    assert told == {
        "valid": True,
        "code": "VALID",
        "request_id": told["request_id"],
        "credential": {
            "type": "access_token",
            "id": client_row.public_id,
            "name": "nightly sync",
            "environment": "live",
            "expires_at": f"{datetime.fromtimestamp(claims.exp, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "secret_id": None,
        },
        "organization": {
            "id": client_row.organization.public_id,
            "name": "Acme",
            "external_id": None,
            "metadata": {},
        },
        "subject": client_row.public_id,
        "client_id": client_row.public_id,
        "scopes": ["orders:read", "orders:write"],
        "metadata": {},
        "operator_metadata": {},
        "rate_limit": None,
        "quota": None,
    }


def test_backends_read_the_operators_words_about_a_tokens_client_on_the_next_call(
    api_secret: IssuedApiSecret, token: str, client_row: Client
) -> None:
    assert ask_validate(api_secret, token)["operator_metadata"] == {}
    note_credential(client_row, {"plan": "basic"}, by=COMMAND)
    note_organization(client_row.organization, external_id="crm-42", operator_metadata={"tier": 1}, by=COMMAND)
    told = ask_validate(api_secret, token)
    assert (told["metadata"], told["operator_metadata"]) == ({}, {"plan": "basic"})
    assert (told["organization"]["external_id"], told["organization"]["metadata"]) == ("crm-42", {"tier": 1})


def test_whoever_holds_a_token_may_ask_about_it(token: str, client_row: Client) -> None:
    reply = ask_whoami(token)
    assert (reply.status, reply.json["subject"]) == (200, client_row.public_id)
    disable_credential(client_row, by=COMMAND)
    reply = ask_whoami(token)
    assert (reply.status, reply.json["code"]) == (401, "DISABLED")


def another_api() -> Api:
    return create_api("https://other.example.com", ApiSettings("Other", {}), by=COMMAND).api


CHANGES: Mapping[str, tuple[str, Callable[[Client, Claims], object]]] = {
    "this token revoked": ("REVOKED", lambda client, claims: revoke_token(client, claims.jti, by=COMMAND)),
    "all tokens revoked": ("REVOKED", lambda client, _: revoke_all_tokens(client, by=COMMAND)),
    "client revoked": ("REVOKED", lambda client, _: revoke_credential(client, reason=RevokeReason.OTHER, by=COMMAND)),
    "client leaked": (
        "COMPROMISED",
        lambda client, _: revoke_credential(client, reason=RevokeReason.LEAKED, by=COMMAND),
    ),
    "client disabled": ("DISABLED", lambda client, _: disable_credential(client, by=COMMAND)),
    "organization suspended": (
        "ORGANIZATION_SUSPENDED",
        lambda client, _: suspend_organization(client.organization, by=COMMAND),
    ),
    "networks set": (
        "IP_DENIED",
        lambda client, _: edit_client(client, ClientSettings("n", networks=["198.51.100.0/24"]), by=COMMAND),
    ),
    "grant cut": (
        "INSUFFICIENT_SCOPE",
        lambda client, _: edit_client(
            client, ClientSettings("n"), grants={client.grants.get().api.public_id: ["orders:read"]}, by=COMMAND
        ),
    ),
    "API without the scope": (
        "INSUFFICIENT_SCOPE",
        lambda client, _: edit_api(
            client.grants.get().api, ApiSettings("Orders", {"orders:read": ScopeSettings("Read")}), by=COMMAND
        ),
    ),
    "grant given for another API instead": (
        "NOT_FOUND",
        lambda client, _: edit_client(
            client,
            ClientSettings("n"),
            grants={create_api("https://b.example.com", ApiSettings("B", {}), by=COMMAND).api.public_id: []},
            by=COMMAND,
        ),
    ),
    "signing keys dropped": ("SIGNATURE_INVALID", lambda *_: drop_signing_keys(by=COMMAND)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_token_that_was_good_is_refused_on_the_next_call(
    api_secret: IssuedApiSecret, client_row: Client, claims: Claims, change: str
) -> None:
    token = sign(claims)
    asked = {"scopes": ["orders:write"], "ip": "203.0.113.9"}
    assert ask_validate(api_secret, token, **asked)["code"] == "VALID"
    code, act = CHANGES[change]
    act(client_row, claims)
    told = ask_validate(api_secret, token, **asked)
    assert told["code"] == code
    assert ("credential" in told) is (code not in {"NOT_FOUND", "SIGNATURE_INVALID"})
    if code == "INSUFFICIENT_SCOPE":
        assert told["missing_scopes"] == ["orders:write"]


@pytest.mark.parametrize("code", ["VALID", "REVOKED"])
def test_a_token_outlives_the_membership_of_its_clients_owner_where_somebody_inherits(
    code: str, api_secret: IssuedApiSecret, token: str, ben: User, as_ada: Actor
) -> None:
    Client.objects.update(owner=ben)
    remove_member(Membership.objects.get(user=ben), new_owner=as_ada.user if code == "VALID" else None, by=as_ada)
    assert ask_validate(api_secret, token)["code"] == code


def test_revoking_one_token_leaves_the_next_alone(api_secret: IssuedApiSecret, client_row: Client, api: Api) -> None:
    first, second = (claims_for(client_row, api, "orders:read") for _ in range(2))
    revoke_token(client_row, first.jti, by=COMMAND)
    assert [ask_validate(api_secret, sign(each))["code"] for each in (first, second)] == ["REVOKED", "VALID"]
    revoke_all_tokens(client_row, by=COMMAND)
    client_row.refresh_from_db()
    third = sign(claims_for(client_row, api, "orders:read"))
    assert [ask_validate(api_secret, token)["code"] for token in (sign(second), third)] == ["REVOKED", "VALID"]


def test_an_expired_token_is_expired_although_its_signature_is_remembered(
    api_secret: IssuedApiSecret, client_row: Client, api: Api, now: datetime
) -> None:
    token = sign(claims_for(client_row, api, at=now - timedelta(seconds=901)))
    assert [ask_validate(api_secret, token)["code"] for _ in range(2)] == ["EXPIRED", "EXPIRED"]
    assert ask_whoami(token).json["code"] == "EXPIRED"


def test_a_token_for_another_api_or_environment_is_not_found(
    api: Api, client_row: Client, token: str, api_secret: IssuedApiSecret
) -> None:
    other = another_api()
    edit_client(
        client_row, ClientSettings("n"), grants={api.public_id: ["orders:read"], other.public_id: []}, by=COMMAND
    )
    others = issue_api_secret(other, name="B", environment=Environment.LIVE, by=COMMAND)
    for_tests = issue_api_secret(api, name="T", environment=Environment.TEST, by=COMMAND)
    told = [ask_validate(each, token) for each in (others, for_tests, api_secret)]
    assert [each["code"] for each in told] == ["NOT_FOUND", "NOT_FOUND", "VALID"]
    assert all(each.keys() == {"valid", "code", "request_id"} for each in told[:2])


def test_a_disabled_api_knows_no_tokens(api: Api, token: str) -> None:
    disable_api(api, by=COMMAND)
    assert ask_whoami(token).json["code"] == "DISABLED"


def test_a_clients_limit_holds_for_all_its_tokens_together(
    api_secret: IssuedApiSecret, client_row: Client, api: Api
) -> None:
    limit = RateLimit(name="default", limit=2, window_s=3600)
    edit_client(client_row, ClientSettings("n", rate_limits=[limit]), by=COMMAND)
    tokens = [sign(claims_for(client_row, api)) for _ in range(3)]
    told = [ask_validate(api_secret, token) for token in tokens]
    assert [each["code"] for each in told] == ["VALID", "VALID", "RATE_LIMITED"]
    assert [each["rate_limit"]["remaining"] for each in told] == [1, 0, 0]


def test_without_limits_of_its_own_a_client_is_under_those_of_each_api_by_themselves(
    api_secret: IssuedApiSecret, client_row: Client, api: Api
) -> None:
    scopes = {name: ScopeSettings("") for name in ("orders:read", "orders:write", "refunds:write")}
    limited = ApiSettings("Limited", scopes, default_rate_limits=[RateLimit(name="default", limit=1, window_s=3600)])
    other = create_api("https://limited.example.com", limited, by=COMMAND).api
    edit_api(api, limited, by=COMMAND)
    edit_client(
        client_row, ClientSettings("n"), grants={each.public_id: ["orders:read"] for each in (api, other)}, by=COMMAND
    )
    others = issue_api_secret(other, name="B", environment=Environment.LIVE, by=COMMAND)
    here, there = (sign(claims_for(client_row, each)) for each in (api, other))
    asked = [(api_secret, here), (others, there), (api_secret, here), (others, there)]
    told = [ask_validate(secret, token)["code"] for secret, token in asked]
    assert told == ["VALID", "VALID", "RATE_LIMITED", "RATE_LIMITED"]


def test_each_apis_ceiling_holds_besides_a_clients_own_limit(
    api_secret: IssuedApiSecret, client_row: Client, api: Api
) -> None:
    scopes = {name: ScopeSettings("") for name in ("orders:read", "orders:write", "refunds:write")}
    capped = ApiSettings("Capped", scopes, max_rate_limits=[RateLimit(name="default", limit=2, window_s=3600)])
    other = create_api("https://capped.example.com", capped, by=COMMAND).api
    edit_api(api, capped, by=COMMAND)
    own = ClientSettings("n", rate_limits=[RateLimit(name="default", limit=3, window_s=3600)])
    edit_client(client_row, own, grants={each.public_id: ["orders:read"] for each in (api, other)}, by=COMMAND)
    others = issue_api_secret(other, name="B", environment=Environment.LIVE, by=COMMAND)
    here, there = (sign(claims_for(client_row, each)) for each in (api, other))
    asked = [(api_secret, here), (api_secret, here), (api_secret, here), (others, there), (others, there)]
    told = [ask_validate(secret, token) for secret, token in asked]
    assert [each["code"] for each in told] == ["VALID", "VALID", "RATE_LIMITED", "VALID", "RATE_LIMITED"]
    assert [each["rate_limit"]["limit"] for each in told] == [2, 2, 2, 3, 3]


def encode(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(claims: Claims, header: dict[str, object] | None = None, **changed: object) -> str:
    """Signed by our own key, with another header or other claims than we would write."""
    signer = ring().signer("ES256", now=time.time())
    head = signer.header if header is None else encode({"typ": "at+jwt", "alg": "ES256", "kid": signer.kid, **header})
    text = f"{head}.{encode(msgspec.to_builtins(claims) | changed)}"
    return f"{text}.{encode(signer.algorithm.sign(text.encode(), signer.private_key))}"


ELSEWHERE = "http://203.0.113.1/keys.json"  # the tests' sockets open to this machine alone: a call there would be a 503


HEADERS: tuple[dict[str, object], ...] = (
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "RS256"},
    {"typ": "JWT"},
    {"typ": "statuslist+jwt"},
    {"kid": "../../dev/null"},
    {"kid": "' OR 1=1 --"},
    {"jku": ELSEWHERE},
    {"x5u": ELSEWHERE},
    {"jwk": jwk.generate("ES256").public},
    {"crit": ["exp"]},
)


def test_no_header_but_ours_is_believed_and_none_is_followed(api_secret: IssuedApiSecret, claims: Claims) -> None:
    for header in HEADERS:
        assert ask_validate(api_secret, forged(claims, header))["code"] == "SIGNATURE_INVALID", header


CLAIMS: tuple[tuple[dict[str, object], str], ...] = (
    ({"exp": "9999999999"}, "SIGNATURE_INVALID"),
    ({"exp": 10**30}, "SIGNATURE_INVALID"),
    ({"exp": 2**53}, "SIGNATURE_INVALID"),
    ({"exp": None}, "SIGNATURE_INVALID"),
    ({"client_id": "client_1\x00"}, "SIGNATURE_INVALID"),
    ({"client_id": ["client_1"]}, "SIGNATURE_INVALID"),
    ({"aud": ["https://orders.example.com"]}, "SIGNATURE_INVALID"),
    ({"aud": "https://nobody.example.com"}, "NOT_FOUND"),
    ({"client_id": "client_" + "0" * 22}, "NOT_FOUND"),
    ({"iss": "https://elsewhere.example.com"}, "ISSUER_UNKNOWN"),
    ({"iss": None}, "ISSUER_UNKNOWN"),
)


def test_claims_of_another_type_or_size_are_refused(api_secret: IssuedApiSecret, claims: Claims) -> None:
    for changed, code in CLAIMS:
        assert ask_validate(api_secret, forged(claims, None, **changed))["code"] == code, changed


def test_nobody_elses_signature_is_believed(api_secret: IssuedApiSecret, token: str) -> None:
    signed, _, signature = token.rpartition(".")
    assert ask_validate(api_secret, f"{signed}.{encode(bytes(64))}")["code"] == "SIGNATURE_INVALID"
    assert ask_validate(api_secret, f"{signed}.")["code"] == "MALFORMED"
    assert ask_validate(api_secret, f"{signed}.{signature}=")["code"] == "MALFORMED"
    head, payload, _ = token.split(".")
    assert ask_validate(api_secret, f"{head}.{payload[:-4]}.{signature}")["code"] == "MALFORMED"


def test_a_signature_is_checked_once_and_the_token_is_not_kept(
    api_secret: IssuedApiSecret, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []
    verify = type(jwk.ALGORITHMS["ES256"]).verify

    def count(self: ECAlgorithm, signed: bytes, *more: Any) -> bool:
        checked.append(signed)
        return verify(self, signed, *more)

    monkeypatch.setattr(type(jwk.ALGORITHMS["ES256"]), "verify", count)
    assert [ask_validate(api_secret, token)["valid"] for _ in range(3)] == [True] * 3
    assert len(checked) == 1
    remembered = credential_cache._CACHE.get(keyed_digest(token.encode()))
    assert remembered is not None
    assert isinstance(remembered._parsed, access_tokens.AccessToken)
    assert token.rpartition(".")[2] not in repr(remembered)
    assert not hasattr(remembered._parsed, "_unverified")


def test_what_is_remembered_has_a_bound(
    api_secret: IssuedApiSecret, client_row: Client, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: DigestCache[credential_cache.CachedCredential] = DigestCache(2)
    monkeypatch.setattr(credential_cache, "_CACHE", cache)
    tokens = [sign(claims_for(client_row, api)) for _ in range(3)]
    assert [ask_validate(api_secret, token)["valid"] for token in tokens] == [True] * 3
    assert [cache.get(keyed_digest(token.encode())) is not None for token in tokens] == [False, True, True]


def test_what_was_refused_is_not_remembered(api_secret: IssuedApiSecret, claims: Claims) -> None:
    token = forged(claims, {"alg": "none"})
    ask_validate(api_secret, token)
    assert credential_cache._CACHE.get(keyed_digest(token.encode())) is None
