"""``POST /oauth/introspect`` (RFC 7662): what is told of a token, to whom, and the two words for everything else."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from keys.models import Api, Environment, RevokeReason
from keys.rules.secret import SecretKind, generate
from keys.services.api_secrets import IssuedApiSecret, issue_api_secret, revoke_api_secret
from keys.services.apis import ApiSettings, create_api
from keys.services.credentials import disable_credential
from keys.services.errors import Invalid
from keys.services.keys import IssuedKey, KeySettings, issue_key
from keys.services.secrets import roll_credential
from keys.validation.engine import Engine
from oauth.endpoints.http import introspect
from oauth.models import Client, RevokedToken
from oauth.protocol.access_token import Claims
from oauth.protocol.status_list import TokenStatus
from oauth.services.clients import ClientSettings, IssuedClient, edit_client
from oauth.services.signing_keys import drop_signing_keys
from oauth.services.tokens import revoke_all_tokens, revoke_token
from oauth.status_lists import build, read_facts
from portal.audit import COMMAND, Actor
from portal.models import Organization
from portal.services.organizations import suspend_organization
from tests.oauth.test_access_tokens import ask_validate, forged
from tests.support.asgi import Reply, ask
from tests.support.oauth.minting import claims_for, sign
from tests.support.oauth.offline import status_at

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases, pytest.mark.usefixtures("reads_here")]
INACTIVE = b'{"active":false}'


def basic(name: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def post(authorization: str | None, form: Mapping[str, str] | str, **more: Any) -> Reply:
    headers = [("content-type", "application/x-www-form-urlencoded")]
    if authorization is not None:
        headers.append(("authorization", authorization))
    body = (form if isinstance(form, str) else urlencode(form)).encode()
    return ask(introspect, more.pop("method", "POST"), "/oauth/introspect", headers=headers, body=body, **more)


@pytest.fixture
def bearer(api_secret: IssuedApiSecret) -> str:
    """How the Orders API's backend shows who it is."""
    return f"Bearer {api_secret.secret_text}"


@pytest.fixture
def claims(client_row: Client, api: Api) -> Claims:
    """What a token of the nightly sync says."""
    return claims_for(client_row, api, "orders:read", "orders:write")


def test_an_active_token_is_told_in_the_words_it_says_itself(
    bearer: str, api: Api, api_secret: IssuedApiSecret, issued: IssuedClient, claims: Claims
) -> None:
    """IN3."""
    token = sign(claims)
    said = jwt.decode(token, options={"verify_signature": False})
    callers = (
        bearer,
        basic(api.public_id, api_secret.secret_text),
        basic(issued.credential.public_id, issued.secret_text),
    )
    for authorization in callers:
        reply = post(authorization, {"token": token, "token_type_hint": "refresh_token"})
        assert (reply.status, reply["cache-control"]) == (200, "no-store")
        told = reply.json
        assert told.pop("active") is True
        assert told.pop("token_type") == "Bearer"
        assert told == {name: said[name] for name in told}
        assert told.keys() == {"scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti", "org", "env"}
        assert type(told["exp"]) is type(told["iat"]) is int


def test_an_api_key_is_told_to_its_api(bearer: str, acme: Organization, api: Api, as_ada: Actor, now: datetime) -> None:
    wanted = KeySettings("k", scopes=["orders:read"], expires_at=now + timedelta(days=1))
    key = issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada)
    assert post(bearer, {"token": key.secret_text}).json == {
        "active": True,
        "scope": "orders:read",
        "token_type": "Bearer",
        "exp": int((now + timedelta(days=1)).timestamp()),
        "sub": key.credential.public_id,
        "aud": api.identifier,
        "org": acme.public_id,
        "env": "live",
    }
    roll_credential(key.credential, overlap=timedelta(0), by=COMMAND)
    assert post(bearer, {"token": key.secret_text}).body == INACTIVE


STRANGERS: Mapping[str, tuple[str | None, str, str]] = {
    "nobody": (None, "invalid_client", "Basic"),
    "a bearer unknown here": (f"Bearer {generate('lk', SecretKind.API).text}", "invalid_token", "Bearer"),
    "a bearer that is nothing": ("Bearer x", "invalid_token", "Bearer"),
    "a client unknown here": (basic("client_1", "x"), "invalid_client", "Basic"),
    "an API unknown here": (basic("api_1", generate("lk", SecretKind.API).text), "invalid_client", "Basic"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_is_turned_away_before_the_token_is_looked_at(
    claims: Claims, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IN1."""
    asked: list[object] = []
    monkeypatch.setattr("oauth.endpoints.introspection.parse_access_token", asked.append)
    authorization, error, scheme = STRANGERS[stranger]
    for form in ({"token": sign(claims)}, {}):
        reply = post(authorization, form)
        assert (reply.status, reply.json["error"]) == (401, error)
        assert reply["www-authenticate"].startswith(scheme)
    assert not asked


def test_a_token_cannot_ask_about_itself_nor_an_api_in_anothers_name(
    api_secret: IssuedApiSecret, claims: Claims, bearer: str
) -> None:
    """IN1."""
    token = sign(claims)
    assert post(f"Bearer {token}", {"token": token}).status == 401
    another = create_api("https://other.example.com", ApiSettings("Other", {}), by=COMMAND).api
    assert post(basic(another.public_id, api_secret.secret_text), {"token": token}).status == 401
    revoke_api_secret(api_secret.secret, reason=RevokeReason.OTHER, by=COMMAND)
    assert (reply := post(bearer, {"token": token})).status == 401
    assert 'error="invalid_token"' in reply["www-authenticate"]


CHANGES: Mapping[str, Callable[[Client, Claims], object]] = {
    "this token revoked": lambda client, claims: revoke_token(client, claims.jti, by=COMMAND),
    "all tokens revoked": lambda client, _: revoke_all_tokens(client, by=COMMAND),
    "client disabled": lambda client, _: disable_credential(client, by=COMMAND),
    "organization suspended": lambda client, _: suspend_organization(client.organization, by=COMMAND),
    "bound to networks": lambda client, _: edit_client(
        client, ClientSettings("n", networks=["198.51.100.0/24"]), by=COMMAND
    ),
    "signing keys dropped": lambda *_: drop_signing_keys(by=COMMAND),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_token_that_was_active_is_inactive_on_the_next_call(
    bearer: str, client_row: Client, claims: Claims, change: str
) -> None:
    """IN2, IN4."""
    token = sign(claims)
    assert post(bearer, {"token": token}).json["active"] is True
    CHANGES[change](client_row, claims)
    assert post(bearer, {"token": token}).body == INACTIVE


def test_an_id_with_a_wrong_random_character_revokes_the_token_of_its_index_wherever_one_asks(
    api: Api, api_secret: IssuedApiSecret, client_row: Client, other: IssuedClient
) -> None:
    claims, same_client, other_client = (claims_for(each, api) for each in (client_row, client_row, other.credential))
    mistyped = ("A" if claims.jti[0] != "A" else "B") + claims.jti[1:]
    bearer = f"Bearer {api_secret.secret_text}"

    def said() -> list[tuple[str, bool, int]]:
        """Online at the two endpoints, and in the list, of each of the three tokens."""
        found = []
        for each in (claims, same_client, other_client):
            lst = {"status_list": {"bits": 2, "lst": build(read_facts(int(each.jti.split(".")[1]))).lst}}
            token, status = sign(each), status_at(lst, each.status.status_list.idx)
            found.append(
                (ask_validate(api_secret, token)["code"], post(bearer, {"token": token}).json["active"], status)
            )
        return found

    valid, revoked = ("VALID", True, TokenStatus.VALID), ("REVOKED", False, TokenStatus.INVALID)
    assert said() == [valid, valid, valid]
    with pytest.raises(Invalid):
        revoke_token(other.credential, mistyped, by=COMMAND)
    assert said() == [valid, valid, valid]
    for jti in (mistyped, claims.jti):
        revoke_token(client_row, jti, by=COMMAND)
        assert said() == [revoked, valid, valid]
    assert RevokedToken.objects.count() == 1


def test_whatever_is_not_active_for_the_caller_is_inactive_and_no_more(
    bearer: str, api: Api, client_row: Client, claims: Claims, now: datetime
) -> None:
    """IN2."""
    another = create_api("https://other.example.com", ApiSettings("Other", {}), by=COMMAND).api
    elsewhere = issue_api_secret(another, name="B", environment=Environment.LIVE, by=COMMAND)
    for_tests = issue_api_secret(api, name="T", environment=Environment.TEST, by=COMMAND)
    expired = sign(claims_for(client_row, api, at=now - timedelta(seconds=901)))
    tomorrow = KeySettings("k", not_before=now + timedelta(days=1))
    not_yet = issue_key(client_row.organization, api, tomorrow, environment=Environment.LIVE, by=COMMAND).secret_text
    unknown = (
        not_yet, "x", "eyJ.eyJ.x", "\x00", "€", expired, generate("lk", SecretKind.LIVE).text, bearer[7:],
        forged(claims, {"kid": "unknown"}), forged(claims, {"alg": "none"}), forged(claims, None, exp="1"),
    )  # fmt: skip
    for token in unknown:
        assert post(bearer, {"token": token}).body == INACTIVE, token
    for secret in (elsewhere, for_tests):
        assert post(f"Bearer {secret.secret_text}", {"token": sign(claims)}).body == INACTIVE


def test_scopes_are_those_that_grant_and_api_have_left(
    bearer: str, api: Api, client_row: Client, claims: Claims
) -> None:
    edit_client(client_row, ClientSettings("n"), grants={api.public_id: ["orders:read"]}, by=COMMAND)
    assert post(bearer, {"token": sign(claims)}).json["scope"] == "orders:read"


def test_a_client_learns_nothing_of_anothers_token_and_counts_nothing_for_it(
    claims: Claims, other: IssuedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Engine, "whoami", lambda _self, *told: asked.append(told))
    authorization = basic(other.credential.public_id, other.secret_text)
    replies = [post(authorization, {"token": token}) for token in (sign(claims), "x.y.z", "unknown")]
    assert [reply.body for reply in replies] == [INACTIVE] * 3
    assert not asked


def test_a_client_learns_nothing_of_api_keys(issued: IssuedClient, acme: Organization, api: Api, as_ada: Actor) -> None:
    key: IssuedKey = issue_key(acme, api, KeySettings("k"), environment=Environment.LIVE, by=as_ada)
    authorization = basic(issued.credential.public_id, issued.secret_text)
    assert post(authorization, {"token": key.secret_text}).body == INACTIVE


def test_a_request_that_is_malformed_is_told_so(bearer: str, issued: IssuedClient) -> None:
    """IN4."""
    own = basic(issued.credential.public_id, issued.secret_text)
    for form in ("", "token=", "token=a&token=b", "token_type_hint=access_token"):
        assert [post(each, form).status for each in (bearer, own)] == [400, 400], form
    assert post(bearer, {"token": "x"}, method="GET").status == 405
    assert post(bearer, "", query=b"token=x").status == 400
    assert post(bearer, {"token": "x", "client_id": "client_1", "client_secret": "x"}).status == 400
