"""``POST /oauth/revoke`` (RFC 7009): a client's own tokens end at once; nobody else's are touched, or shown to be."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError

from keys.models import Api
from keys.services.api_secrets import IssuedApiSecret
from keys.services.credentials import ChangedCredential, disable_credential
from keys.validation.store.database import Unavailable
from oauth.client_auth import RequestOrigin
from oauth.endpoints import revocation
from oauth.endpoints.http import revoke
from oauth.endpoints.revocation import MAX_WAITING
from oauth.endpoints.wiring import server
from oauth.models import Client, RevokedToken, StatusBlock
from oauth.protocol.access_token import Claims
from oauth.protocol.client_auth_methods import ClientSecretAuth
from oauth.protocol.errors import OAuthError
from oauth.services.clients import IssuedClient
from oauth.services.tokens import revoke_token
from portal.audit import COMMAND
from portal.models import AuditEvent
from portal.outbox import Propagation
from tests.oauth.endpoints.test_introspection import INACTIVE, basic
from tests.oauth.endpoints.test_introspection import post as introspect
from tests.oauth.test_access_tokens import forged
from tests.support.asgi import Reply, ask
from tests.support.oauth.minting import claims_for, sign

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def post(authorization: str | None, form: Mapping[str, str] | str, **more: Any) -> Reply:
    headers = [("content-type", "application/x-www-form-urlencoded")]
    if authorization is not None:
        headers.append(("authorization", authorization))
    body = (form if isinstance(form, str) else urlencode(form)).encode()
    return ask(revoke, more.pop("method", "POST"), "/oauth/revoke", headers=headers, body=body, **more)


@pytest.fixture
def own(issued: IssuedClient) -> str:
    """How the nightly sync shows who it is."""
    return basic(issued.credential.public_id, issued.secret_text)


@pytest.fixture
def claims(client_row: Client, api: Api) -> Claims:
    """What a token of the nightly sync says."""
    return claims_for(client_row, api, "orders:read")


def test_an_own_token_is_revoked_at_once_and_revoking_it_again_changes_nothing(
    own: str, api_secret: IssuedApiSecret, client_row: Client, api: Api, claims: Claims
) -> None:
    """RV1, RV5."""
    token, bearer = sign(claims), f"Bearer {api_secret.secret_text}"
    assert introspect(bearer, {"token": token}).json["active"] is True
    for hint in ("refresh_token", "x"):
        reply = post(own, {"token": token, "token_type_hint": hint})
        assert (reply.status, reply.body, reply["cache-control"]) == (200, b"", "no-store")
        assert introspect(bearer, {"token": token}).body == INACTIVE
    (row,) = RevokedToken.objects.all()
    assert (row.jti, int(row.expires_at.timestamp())) == (claims.jti, claims.exp)
    event = AuditEvent.objects.get(action="client.token_revoked")
    assert (event.actor_kind, event.actor_id) == ("credential", client_row.public_id)
    assert introspect(bearer, {"token": sign(claims_for(client_row, api))}).json["active"] is True


def test_what_is_no_live_token_of_the_callers_is_left_alone_in_silence(
    own: str, other: IssuedClient, api: Api, claims: Claims, api_secret: IssuedApiSecret
) -> None:
    """RV2, RV4."""
    client_row = Client.objects.select_related("organization").get(public_id=claims.client_id)
    others = sign(claims_for(other.credential, api, "orders:read"))
    expired = sign(claims_for(client_row, api, at=client_row.created_at - timedelta(seconds=901)))
    made_up = forged(claims, {"alg": "none"})
    for token in (others, expired, made_up, claims.jti, "x", "a.b.c", "\x00", api_secret.secret_text):
        reply = post(own, {"token": token})
        assert (reply.status, reply.body) == (200, b""), token
    assert not RevokedToken.objects.exists()
    assert introspect(f"Bearer {api_secret.secret_text}", {"token": others}).json["active"] is True


def test_who_is_no_client_revokes_nothing(
    issued: IssuedClient, own: str, api_secret: IssuedApiSecret, claims: Claims
) -> None:
    """RV3."""
    token = sign(claims)
    wrong = basic(issued.credential.public_id, api_secret.secret_text)
    for authorization in (None, "Bearer x", f"Bearer {api_secret.secret_text}", wrong):
        reply = post(authorization, {"token": token})
        assert (reply.status, reply.json["error"]) == (401, "invalid_client")
        assert reply["www-authenticate"].startswith("Basic")
    disable_credential(issued.credential, by=COMMAND)
    assert post(own, {"token": token}).status == 401
    assert not RevokedToken.objects.exists()


def test_a_request_that_is_malformed_is_told_so(own: str) -> None:
    """RV5, RV7."""
    assert [post(own, form).status for form in ("", "token=", "token=a&token=b")] == [400] * 3
    assert post(None, "").status == 401
    for query in (b"", b"token=x&callback=f"):
        reply = post(own, {"token": "x"}, method="GET", query=query)
        assert (reply.status, reply["allow"], reply["cache-control"]) == (405, "POST", "no-store")
    assert post(own, "", query=b"token=x&callback=f").status == 400


def test_what_is_not_stored_or_not_known_everywhere_is_no_200(
    own: str, claims: Claims, client_row: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RV6."""

    def fail(*_: object, **__: object) -> ChangedCredential[Client]:
        raise OperationalError

    pending = ChangedCredential(client_row, Propagation(0, effective_by=client_row.created_at))
    for outcome in (fail, lambda *_, **__: pending):
        monkeypatch.setattr(revocation, "revoke_token", outcome)
        reply = post(own, {"token": sign(claims)})
        assert (reply.status, reply.json["error"]) == (503, "temporarily_unavailable")
        assert reply["retry-after"] == "1"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[str], threading.Event]]:
    """The ids of the tokens whose revocation has begun; none ends before the event is set."""
    begun: list[str] = []
    goes_on = threading.Event()

    def wait(client: Client, jti: str, **more: Any) -> ChangedCredential[Client]:
        begun.append(jti)
        goes_on.wait(20)
        return revoke_token(client, jti, **more)

    monkeypatch.setattr(revocation, "revoke_token", wait)
    monkeypatch.setattr(revocation, "WITHIN_S", 60)  # a busy machine is no failure
    yield begun, goes_on
    goes_on.set()


def revoke_at_once(goes_on: threading.Event, *asked: tuple[IssuedClient, str]) -> list[str]:
    """What becomes of revocations that come together; they end once all have come."""
    come: list[object] = []
    wait_for = revocation.Revoker._wait_for

    async def wait_for_all(self: revocation.Revoker, *running: Any) -> None:
        come.append(running)
        if len(come) == len(asked):
            goes_on.set()
        await wait_for(self, *running)

    async def tell(issued: IssuedClient, token: str) -> str:
        client_auth = ClientSecretAuth(issued.credential.public_id, issued.secret_text)
        deadline = asyncio.get_running_loop().time() + 20
        try:
            await server().revoker.revoke(
                client_auth, token, RequestOrigin(None), request_id="req_1", deadline=deadline
            )
        except (OAuthError, Unavailable) as refusal:
            return f"{type(refusal).__name__} {dict(getattr(refusal, 'headers', ()))}"
        return "revoked"

    async def ask() -> list[str]:
        return await asyncio.gather(*(tell(*each) for each in asked))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revocation.Revoker, "_wait_for", wait_for_all)
        return asyncio.run(ask())


def test_a_client_has_one_revocation_under_way_and_repeats_wait_for_the_same(
    issued: IssuedClient,
    other: IssuedClient,
    api: Api,
    claims: Claims,
    slow: tuple[list[str], threading.Event],
) -> None:
    begun, goes_on = slow
    others = claims_for(other.credential, api)
    told = revoke_at_once(goes_on, *[(issued, sign(claims))] * MAX_WAITING, (other, sign(others)))
    assert told == ["revoked"] * (MAX_WAITING + 1)
    assert sorted(begun) == sorted([claims.jti, others.jti])


def test_few_calls_of_a_client_wait_for_one_revocation(
    issued: IssuedClient, claims: Claims, slow: tuple[list[str], threading.Event]
) -> None:
    begun, goes_on = slow
    told = revoke_at_once(goes_on, *[(issued, sign(claims))] * (MAX_WAITING + 2))
    assert sorted(told) == ["TooManyAtOnce {'retry-after': '1'}"] * 2 + ["revoked"] * MAX_WAITING
    assert begun == [claims.jti]


def test_while_one_token_is_being_revoked_another_of_the_client_is_told_to_wait(
    own: str, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: Any = None  # nobody waits for it
    monkeypatch.setitem(server().revoker._under_way, claims.client_id, revocation.UnderWay(b"another's", running))
    reply = post(own, {"token": sign(claims)})
    assert (reply.status, reply["retry-after"], reply.json["error"]) == (429, "1", "temporarily_unavailable")
    assert not RevokedToken.objects.exists()


def test_a_live_token_whose_index_is_forgotten_is_not_said_to_be_revoked(own: str, claims: Claims) -> None:
    StatusBlock.objects.all().delete()
    assert post(own, {"token": sign(claims)}).status == 503
    assert not RevokedToken.objects.exists()
