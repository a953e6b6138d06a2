"""``POST /oauth/token`` as clients meet it: what is issued, and what is refused, in the words of RFC 6749."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote
from weakref import ref

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.validation.snapshot_names import api_name
from keys.validation.store.database import Unavailable
from keys.validation.types import GrantFacts
from oauth.endpoints import token_requests
from oauth.endpoints.token import Issued
from oauth.endpoints.token_requests import read_token_request
from oauth.protocol import form_body
from oauth.protocol.access_token import UnverifiedToken, read
from oauth.protocol.errors import InvalidRequest
from oauth.protocol.form_body import read_form
from tests.support.oauth.memory import BILLING, ORDERS, Memory, post, refused

FORM = "application/x-www-form-urlencoded"
GRANT = b"grant_type=client_credentials"


def test_right_credentials_get_a_bearer_token_that_no_cache_keeps(memory: Memory) -> None:
    """TK1."""
    reply = memory.ask()
    assert (reply.status, reply["content-type"]) == (200, "application/json")
    assert (reply["cache-control"], reply["pragma"]) == ("no-store", "no-cache")
    assert reply.json.keys() == {"access_token", "token_type", "expires_in", "scope"}  # and no refresh_token
    assert reply.json["token_type"] == "Bearer"
    assert reply.json["expires_in"] == 900
    assert reply.json["scope"] == "orders:read orders:write"


def test_a_token_is_what_rfc_9068_says_and_names_nobody(memory: Memory, settings: Any) -> None:
    """TK13."""
    reply = memory.ask()
    header, claims = jwt.get_unverified_header(reply.json["access_token"]), memory.claims(reply)
    assert header.keys() == {"typ", "alg", "kid"}
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert len(claims.pop("jti").split(".")[0]) == 22  # base64url of 128 bits
    assert claims.pop("exp") - claims.pop("iat") == reply.json["expires_in"]
    own_id = memory.client.client_id
    assert claims == {
        "iss": settings.PUBLIC_URL,
        "aud": ORDERS,
        "sub": own_id,
        "client_id": own_id,
        "scope": "orders:read orders:write",
        "org": "org_1",
        "env": "live",
        "gen": 3,
        "status": {"status_list": {"idx": 1, "uri": f"{settings.PUBLIC_URL}/oauth/status/1"}},
    }
    assert own_id.startswith("client_")  # which no person's id does


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_an_api_chooses_what_its_tokens_are_signed_with(memory: Memory, algorithm: str) -> None:
    """TK13."""
    memory.change(api_name("api_1"), signing_algorithm=algorithm)
    reply = memory.ask()
    assert jwt.get_unverified_header(reply.json["access_token"])["alg"] == algorithm
    assert memory.claims(reply)["aud"] == ORDERS


def test_no_two_tokens_have_an_id_or_an_index_in_common(memory: Memory) -> None:
    claims = [memory.claims(memory.ask()) for _ in range(3)]
    assert len({each["jti"] for each in claims}) == len({each["status"]["status_list"]["idx"] for each in claims}) == 3


def test_a_token_lives_as_long_as_client_or_api_say_whatever_the_request_does(memory: Memory) -> None:
    """TK15."""
    asked = {"grant_type": "client_credentials", "expires_in": "999999", "lifetime": "999999"}
    memory.change(api_name("api_1"), token_lifetime_s=3600)
    assert memory.ask(asked).json["expires_in"] == 3600
    memory.change_client(token_lifetime_s=60)
    assert memory.ask(asked).json["expires_in"] == 60


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"])
def test_only_post_is_taken(memory: Memory, method: str) -> None:
    """TK2."""
    reply = memory.ask(method=method)
    assert (reply.status, reply["allow"]) == (405, "POST")
    assert method == "HEAD" or refused(reply, "invalid_request", 405)


def test_nothing_is_read_from_the_address(memory: Memory) -> None:
    """TK2."""
    query = f"client_id={memory.client.client_id}&client_secret={memory.secret}&grant_type=client_credentials"
    assert refused(post({}, query=query.encode()), "invalid_request")
    assert refused(memory.ask(query=b"scope=orders:read"), "invalid_request")


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("password", "unsupported_grant_type"),
        ("authorization_code", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:token-exchange", "unsupported_grant_type"),
        ("Client_Credentials", "unsupported_grant_type"),
    ],
)
def test_there_is_one_grant_type(memory: Memory, grant_type: str | None, error: str) -> None:
    """TK7."""
    assert refused(memory.ask({} if grant_type is None else {"grant_type": grant_type}), error)


@pytest.mark.parametrize(
    "body",
    [
        GRANT + b"&" + GRANT,
        GRANT + b"&scope=orders:read&scope=orders:write",
        GRANT + b"&scope=&scope=orders:read",
        GRANT + b"&unknown=1&unknown=2",
        GRANT + b"&sc%6Fpe=a&scope=b",
    ],
)
def test_a_repeated_parameter_is_refused(memory: Memory, body: bytes) -> None:
    """TK8."""
    assert refused(memory.ask(body), "invalid_request")


def test_an_empty_value_is_left_out_and_what_is_unknown_ignored(memory: Memory) -> None:
    """TK8."""
    assert memory.ask(GRANT + b"&scope=&audience=&resource=&flavour=mild").json["scope"] == "orders:read orders:write"


@pytest.mark.parametrize(
    "scope",
    [
        "orders:r\xe9ad", 'orders"read', "orders\\read", "orders:read\torders:write", "orders:read\xa0orders:write",
        "\uff4frders:read", " orders:read", "orders:read ", "orders:read  orders:write", "orders:read\n", "\x7f",
        "x" * 129,
        "Orders:read", "refunds:write", "nothing", "orders:read refunds:write", " ".join(["orders:read"] * 501),
    ],
)  # fmt: skip
def test_a_scope_that_is_malformed_unknown_or_not_granted_is_refused(memory: Memory, scope: str) -> None:
    """TK9."""
    assert refused(memory.ask({"grant_type": "client_credentials", "scope": scope}), "invalid_scope")


@pytest.mark.parametrize(
    ("scope", "got"),
    [
        ("orders:read", "orders:read"),
        ("orders:write orders:read", "orders:read orders:write"),
        ("orders:read orders:read", "orders:read"),
    ],
)
def test_a_request_may_ask_for_less_in_any_order(memory: Memory, scope: str, got: str) -> None:
    """TK9."""
    reply = memory.ask({"grant_type": "client_credentials", "scope": scope})
    assert reply.json["scope"] == memory.claims(reply)["scope"] == got


def test_without_scope_a_token_has_all_that_grant_and_api_have_left(memory: Memory) -> None:
    """TK9."""
    memory.change(api_name("api_1"), scopes=frozenset({"orders:read"}))
    assert memory.ask().json["scope"] == "orders:read"
    assert refused(memory.ask({"grant_type": "client_credentials", "scope": "orders:write"}), "invalid_scope")


def test_a_token_too_long_to_be_presented_is_not_issued(memory: Memory) -> None:
    names = tuple(f"resource-{n:03}:{'x' * 40}" for n in range(500))
    memory.change(api_name("api_1"), scopes=frozenset(names))
    memory.change_client(grants=(GrantFacts("api_1", ORDERS, names),))
    assert refused(memory.ask(), "invalid_scope")
    assert "longer than 16384 characters" in memory.ask().json["error_description"]
    most = max(n for n in range(200, 300) if memory.ask(scopes_of(names[:n])).status == 200)
    longest = memory.ask(scopes_of(names[:most])).json["access_token"]
    assert 15_500 < len(longest) <= 16_384
    assert isinstance(read(longest, issuer=memory.claims(memory.ask(scopes_of(names[:1])))["iss"]), UnverifiedToken)


def scopes_of(names: tuple[str, ...]) -> dict[str, str]:
    """A token request for them."""
    return {"grant_type": "client_credentials", "scope": " ".join(names)}


@pytest.mark.parametrize("name", ["resource", "audience"])
@pytest.mark.parametrize(
    "target",
    ["https://unknown.example.com", "orders", f"{ORDERS}#part", f"{ORDERS}/", BILLING, "https://ORDERS.example.com"],
)
def test_a_client_cannot_choose_an_audience_that_it_was_not_granted(memory: Memory, name: str, target: str) -> None:
    """TK10."""
    assert refused(memory.ask({"grant_type": "client_credentials", name: target}), "invalid_target")


def test_a_client_of_several_apis_names_the_one_it_means(memory: Memory) -> None:
    memory.change_client(grants=(*memory.client.grants, GrantFacts("api_2", BILLING, ("invoices:read",))))
    assert refused(memory.ask(), "invalid_target")
    for form in ({"resource": ORDERS}, {"audience": ORDERS}, {"resource": ORDERS, "audience": ORDERS}):
        assert memory.claims(memory.ask({"grant_type": "client_credentials", **form}))["aud"] == ORDERS
    both = {"grant_type": "client_credentials", "resource": ORDERS, "audience": BILLING}
    assert refused(memory.ask(both), "invalid_target")


def test_resource_may_be_repeated_and_is_refused_where_it_names_more_than_one_api(memory: Memory) -> None:
    orders, billing = (quote(each, safe="").encode() for each in (ORDERS, BILLING))
    for more in (b"&resource=" + orders, b"&res%6Furce=" + orders, b"&resource=", b"&audience=" + orders):
        reply = memory.ask(GRANT + b"&resource=" + orders + more)
        assert memory.claims(reply)["aud"] == ORDERS
    memory.change_client(grants=(*memory.client.grants, GrantFacts("api_2", BILLING, ("invoices:read",))))
    assert refused(memory.ask(GRANT + b"&resource=" + orders + b"&resource=" + billing), "invalid_target")
    assert refused(memory.ask(GRANT + b"&resource=%E9&resource=" + orders), "invalid_request")
    assert refused(memory.ask(GRANT + b"&audience=" + orders + b"&audience=" + orders), "invalid_request")
    assert refused(memory.ask(GRANT + b"&resource=" + orders + b"&scope=a&scope=b"), "invalid_request")
    assert refused(memory.ask(GRANT + b"&resource=x" * 101), "invalid_request")


def test_what_a_request_came_to_before_counts_for_nothing_once_client_or_api_are_changed(memory: Memory) -> None:
    def got() -> tuple[str, int, int]:
        reply = memory.ask({"grant_type": "client_credentials"})
        claims = memory.claims(reply)
        return claims["scope"], claims["exp"] - claims["iat"], claims["gen"]

    assert [got(), got()] == [("orders:read orders:write", 900, 3)] * 2
    memory.change(api_name("api_1"), scopes=frozenset({"orders:read"}), token_lifetime_s=300)
    assert [got(), got()] == [("orders:read", 300, 3)] * 2
    memory.change_client(generation=4, token_lifetime_s=60)
    assert [got(), got()] == [("orders:read", 60, 4)] * 2
    memory.change_client(grants=())
    assert memory.ask().json["error"] == "invalid_target"
    memory.change_client(grants=(GrantFacts("api_1", ORDERS, ("orders:read",)),))
    assert got() == ("orders:read", 60, 4)
    del memory.snapshots[api_name("api_1")]
    assert memory.ask().json["error"] == "invalid_target"


def test_what_is_remembered_of_requests_keeps_no_old_snapshot_alive(memory: Memory) -> None:
    """Each may hold a thousand revoked tokens, and a client can have a new one made as often as it likes."""
    memory.ask()
    old = ref(memory.client)
    memory.change_client(generation=4)
    assert old() is None


def test_a_client_without_grants_or_with_an_api_out_of_service_gets_nothing(memory: Memory) -> None:
    memory.change(api_name("api_1"), is_disabled=True)
    assert refused(memory.ask(), "invalid_target")
    memory.change_client(grants=())
    assert refused(memory.ask(), "invalid_target")


@pytest.mark.parametrize("word", [b"sesame", b"s%22esame", b"<sesame>"])
@pytest.mark.parametrize("name", [b"grant_type", b"scope", b"resource", b"client_id"])
def test_no_word_of_the_request_comes_back(memory: Memory, name: bytes, word: bytes) -> None:
    """TK11."""
    reply = memory.ask(name + b"=" + word if name == b"grant_type" else GRANT + b"&" + name + b"=" + word)
    assert reply.status == 400
    assert b"esame" not in reply.body


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "charset=utf-8",
    ],
)
def test_only_a_form_is_read(memory: Memory, content_type: str) -> None:
    """TK12."""
    assert refused(memory.ask(content_type=content_type), "invalid_request")


@pytest.mark.parametrize("charset", ["UTF-8", "iso-8859-1", "us-ascii"])
def test_a_form_is_read_as_utf_8_whatever_charset_it_is_said_to_be_in(memory: Memory, charset: str) -> None:
    content_type = f"{FORM}; charset={charset}"
    assert memory.ask(content_type=content_type).status == 200
    assert refused(memory.ask(GRANT + b"&scope=\xe9", content_type=content_type), "invalid_request")


@pytest.mark.parametrize(
    "body", [b"&scope=%ff", b"&scope=\xff", b"&scope=%c3%28", b"&scope=%zz", b"&scope=%", b"&a=1" * 101]
)
def test_a_form_that_is_not_well_encoded_is_refused(memory: Memory, body: bytes) -> None:
    """TK12."""
    assert refused(memory.ask(GRANT + body), "invalid_request")


def test_too_large_a_form_is_refused_in_oauths_words(memory: Memory) -> None:
    assert refused(memory.ask(GRANT + b"&x=" + b"x" * 65536), "invalid_request", 413)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_form(body: bytes) -> None:
    try:
        form = read_form(body)
    except InvalidRequest:
        return
    assert all(form.values())


@pytest.mark.parametrize("store", ["read", "take_index"])
def test_while_no_answer_can_be_given_there_is_a_503(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """TK15."""

    async def unavailable(*_: object, **__: object) -> None:
        raise Unavailable("busy")

    monkeypatch.setattr(memory, store, unavailable)
    reply = memory.ask()
    assert refused(reply, "temporarily_unavailable", 503)
    assert reply["retry-after"] == "1"


def test_a_token_hides_itself_in_repr() -> None:
    assert "eyJ" not in repr(Issued("eyJ", "Bearer", 900, "orders:read"))


@pytest.mark.parametrize("read", [read_form, partial(read_token_request, ())], ids=["form", "token request"])
@pytest.mark.parametrize(
    "body",
    [b"a=" + b"%41" * 20_000, b"resource=" + b"%41" * 20_000, b"%41=%41&" * 8_000, b"&" * 60_000, b"a&" * 30_000],
    ids=lambda body: body[:8],
)
def test_a_form_with_too_much_in_it_is_refused_before_anything_is_decoded(
    read: Callable[[bytes], object], body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (form_body, token_requests):
        monkeypatch.setattr(module, "decode", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(InvalidRequest):
        read(body)
