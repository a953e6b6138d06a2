"""What an offline verifier reads of our tokens, and when it is built anew."""

import asyncio
import gzip
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any
from unittest.mock import Mock

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from keys.models import Api, RevokeReason
from keys.services.apis import disable_api
from keys.services.credentials import disable_credential, enable_credential, revoke_credential
from oauth import status_serving
from oauth.endpoints.status_lists import aggregation, status_list
from oauth.models import Client, StatusBlock
from oauth.protocol.access_token import Claims
from oauth.protocol.status_list import LIST_SIZE, SlotSpan, TokenStatus, indexes_of, new_seed, packed, slot_of
from oauth.services.signing_keys import drop_signing_keys, rotate_signing_keys
from oauth.services.tokens import revoke_all_tokens, revoke_token
from oauth.status_lists import Content, Served, StatusListFacts, build, read_facts, signed
from oauth.status_serving import Lists, Rebuilt
from portal.audit import COMMAND
from portal.models import Organization
from portal.services.organizations import resume_organization, suspend_organization
from tests.support.asgi import Reply, ask
from tests.support.hot_path import using
from tests.support.oauth.minting import claims_for, ring
from tests.support.oauth.offline import status_at

REFUSED, LATER = TokenStatus.INVALID, TokenStatus.SUSPENDED


def decoded(token: str) -> dict[str, Any]:
    """What a verifier reads: signature and header checked with what the JWKS publishes."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "statuslist+jwt"
    (key,) = (key for key in ring().published(now=time.time()) if key["kid"] == header["kid"])
    claims: dict[str, Any] = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], options={"verify_aud": False})
    return claims


def get(number: int | str, *headers: tuple[str, str], method: str = "GET", query: bytes = b"") -> Reply:
    return ask(status_list, method, f"/oauth/status/{number}", headers=headers, query=query)


def number_of(claims: Claims) -> int:
    return int(claims.jti.split(".")[1])


@pytest.fixture
def lists() -> Iterator[Lists]:
    """Lists that no other test has seen."""
    with using() as server:
        yield server.lists


def test_statuses_are_packed_as_in_the_drafts_example() -> None:
    wanted = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]  # its 2-bit example, which prints as C9 44 F9
    seed = new_seed()
    spans = [SlotSpan(slot_of(index, seed), 1, status) for index, status in enumerate(wanted)]
    assert packed(spans, (), seed=seed)[:4].hex() == "c944f900"


def test_what_is_said_of_a_slot_stands_at_its_index_alone() -> None:
    seed = new_seed()
    spans = [SlotSpan(5, 3, REFUSED), SlotSpan(16_000, 40_000, LATER), SlotSpan(LIST_SIZE - 2, 2, REFUSED)]
    said = {slot: span.status for span in spans for slot in range(span.first, span.first + span.size)}
    for _ in range(2):  # the second time from what was kept
        array = packed(spans, [7], seed=seed)
        for index in (
            *range(2000),
            *(index_of(slot, seed) for slot in (4, 5, 8, 15_999, 55_999, 56_000, LIST_SIZE - 1)),
        ):
            wanted = REFUSED if index == 7 else said.get(slot_of(index, seed), TokenStatus.VALID)
            assert array[index // 4] >> index % 4 * 2 & 0b11 == wanted


def index_of(slot: int, seed: bytes) -> int:
    return indexes_of([slot], seed)[0]


def test_a_million_refused_tokens_fit_into_a_list() -> None:
    spans = tuple(SlotSpan(first, 1024, REFUSED) for first in range(0, LIST_SIZE, 1024))
    content = build(StatusListFacts(new_seed(), spans, ()))
    claims = {"status_list": {"bits": 2, "lst": content.lst}}
    assert {status_at(claims, idx) for idx in (0, 1, 77_777, LIST_SIZE - 1)} == {REFUSED}
    assert len(content.lst) < 1000


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_databases
def test_a_list_is_signed_served_and_found(client_row: Client, api: Api, lists: Lists) -> None:
    claims, began_at = claims_for(client_row, api, "orders:read"), int(time.time())
    uri = claims.status.status_list.uri
    reply = get(number_of(claims))
    assert (reply.status, reply["content-type"]) == (200, "application/statuslist+jwt")
    assert reply["access-control-allow-origin"] == "*"
    told = decoded(reply.body.decode())
    assert told["sub"] == uri
    assert began_at <= told["iat"] <= time.time() < told["exp"]  # so that of two lists the later one can be told
    assert told["ttl"] == 60
    assert told["status_list"]["aggregation_uri"] == f"{settings.PUBLIC_URL}/oauth/status"
    assert ask(aggregation, path="/oauth/status").json == {"status_lists": [uri]}

    for known in (reply["etag"], f'"other", {reply["etag"].removeprefix("W/")}', "*"):
        again = get(number_of(claims), ("if-none-match", known))
        assert (again.status, again.body, again["etag"]) == (304, b"", reply["etag"])
    for other in ('"other"', f'"x{reply["etag"]}'):
        assert get(number_of(claims), ("if-none-match", other)).status == 200
    zipped = get(number_of(claims), ("accept-encoding", "gzip, br"))
    assert zipped["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == reply.body
    assert get(number_of(claims), ("accept-encoding", "gzip;q=0, identity")).body == reply.body
    assert [get(number).status for number in (number_of(claims) + 1, 0, "x", "1/2", 10**12)] == [404] * 5
    assert get(number_of(claims), query=b"time=1").status == 404
    assert get(number_of(claims), method="POST").status == 405
    assert get(number_of(claims), method="HEAD").body == b""


@pytest.mark.django_db(transaction=True)
def test_a_list_is_signed_once_for_all_who_ask_at_the_same_time(
    client_row: Client, api: Api, lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = number_of(claims_for(client_row, api))
    made: list[object] = []

    def sign_and_note(*what: Any, **more: Any) -> Served:
        made.append(what)
        return signed(*what, **more)

    monkeypatch.setattr(status_serving, "signed", sign_and_note)

    async def ask_together() -> list[Served | None]:
        now, deadline = time.time(), asyncio.get_running_loop().time() + 20
        return await asyncio.gather(*(lists.get(number, now=now, deadline=deadline) for _ in range(20)))

    told = asyncio.run(ask_together())
    assert len(made) == 1
    assert set(told) == {told[0]}


@pytest.mark.django_db(transaction=True)
def test_made_up_numbers_of_lists_have_the_database_asked_once(
    client_row: Client, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Mock(return_value=frozenset[int]())
    monkeypatch.setattr(status_serving, "ASKED_AGAIN_AFTER_S", 60)
    monkeypatch.setattr(status_serving, "read_numbers", read)
    with using():
        assert [get(number).status for number in range(1, 20)] == [404] * 19
    assert read.call_count == 1


CHANGES: Mapping[str, tuple[int, int, Callable[[Client, Claims], object]]] = {
    "nothing": (0, 0, lambda *_: None),
    "this token revoked": (REFUSED, 0, lambda client, claims: revoke_token(client, claims.jti, by=COMMAND)),
    "all tokens revoked": (REFUSED, REFUSED, lambda client, _: revoke_all_tokens(client, by=COMMAND)),
    "client revoked": (
        REFUSED,
        REFUSED,
        lambda client, _: revoke_credential(client, reason=RevokeReason.OTHER, by=COMMAND),
    ),
    "grant taken": (REFUSED, REFUSED, lambda client, _: client.grants.all().delete()),
    "client disabled": (LATER, LATER, lambda client, _: disable_credential(client, by=COMMAND)),
    "client enabled": (
        0,
        0,
        lambda client, _: (disable_credential(client, by=COMMAND), enable_credential(client, by=COMMAND)),
    ),
    "organization suspended": (LATER, LATER, lambda client, _: suspend_organization(client.organization, by=COMMAND)),
    "organization resumed": (
        0,
        0,
        lambda client, _: (
            suspend_organization(client.organization, by=COMMAND),
            resume_organization(client.organization, by=COMMAND),
        ),
    ),
    "organization closed": (
        REFUSED,
        REFUSED,
        lambda client, _: Organization.objects.filter(pk=client.organization_id).update(closed_at=timezone.now()),
    ),
    "signing key dropped": (REFUSED, REFUSED, lambda *_: drop_signing_keys(by=COMMAND, algorithms=["ES256"])),
    "signing key of another algorithm dropped": (
        0,
        0,
        lambda *_: drop_signing_keys(by=COMMAND, algorithms=["RS256", "EdDSA"]),
    ),
    "signing key rotated": (
        0,
        0,
        lambda *_: rotate_signing_keys(by=COMMAND, now=timezone.now(), algorithms=["ES256"], is_wanted=True),
    ),
    "API disabled": (LATER, LATER, lambda client, _: disable_api(client.grants.get().api, by=COMMAND)),
    "revoked, then disabled": (
        REFUSED,
        LATER,
        lambda client, claims: (revoke_token(client, claims.jti, by=COMMAND), disable_credential(client, by=COMMAND)),
    ),
}


@pytest.mark.django_db
@pytest.mark.both_databases
@pytest.mark.parametrize("change", CHANGES)
def test_a_list_says_what_has_become_of_a_token(client_row: Client, api: Api, change: str) -> None:
    claims, other = (claims_for(client_row, api) for _ in range(2))
    rebuilt = Rebuilt(number_of(claims))
    assert statuses(rebuilt(), claims, other) == (0, 0)
    *wanted, act = CHANGES[change]
    act(client_row, claims)
    content = rebuilt()
    assert statuses(content, claims, other) == tuple(wanted)
    assert rebuilt() is content  # nothing has changed since, so nothing is built


@pytest.mark.django_db
@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_revoked_token_is_never_valid_again_though_all_are_revoked_while_its_list_is_read(
    client_row: Client, api: Api, before: int
) -> None:
    claims, asked = claims_for(client_row, api), count(1)
    revoke_token(client_row, claims.jti, by=COMMAND)

    def commit_in_between(execute: Callable[..., object], *call: object) -> object:
        if next(asked) == before:
            revoke_all_tokens(client_row, by=COMMAND)
        return execute(*call)

    with connection.execute_wrapper(commit_in_between):
        facts = read_facts(number_of(claims))
    assert next(asked) > before
    assert statuses(build(facts), claims) == (REFUSED,)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_dropping_a_signing_key_strikes_its_tokens_and_no_others(client_row: Client, api: Api) -> None:
    now = time.time()
    before, other = (ring().signer(algorithm, now=now).kid for algorithm in ("ES256", "RS256"))
    old, of_other = claims_for(client_row, api, kid=before), claims_for(client_row, api, kid=other)
    drop_signing_keys(by=COMMAND, algorithms=["ES256"])
    after = ring().signer("ES256", now=time.time()).kid
    new = claims_for(client_row, api, kid=after)
    facts = read_facts(number_of(old))
    assert statuses(build(facts), old, of_other, new) == (REFUSED, 0, 0)
    drop_signing_keys(by=COMMAND, algorithms=["RS256"])
    assert statuses(build(read_facts(number_of(old))), old, of_other, new) == (REFUSED, REFUSED, 0)


def statuses(content: Content, *tokens: Claims) -> tuple[int, ...]:
    claims = {"status_list": {"bits": 2, "lst": content.lst}}
    return tuple(status_at(claims, token.status.status_list.idx) for token in tokens)


@pytest.mark.django_db
def test_what_was_issued_after_all_were_revoked_is_valid(client_row: Client, api: Api) -> None:
    old = claims_for(client_row, api)
    revoke_all_tokens(client_row, by=COMMAND)
    client_row.refresh_from_db()
    new = claims_for(client_row, api)
    assert statuses(build(read_facts(number_of(old))), old, new) == (REFUSED, 0)
    assert StatusBlock.objects.count() == 2
