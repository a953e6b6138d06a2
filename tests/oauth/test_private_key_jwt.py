"""``private_key_jwt`` (RFC 7523 §3 as updated by RFC 10070): a client that proves itself by a key of its own."""

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import redis
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from jwt.algorithms import ECAlgorithm

from keys.validation.store.database import Unavailable
from keys.validation.store.redis_link import Link
from keys.validation.types import Code
from keys.validation.usage.recorder import UsageRecorder
from oauth.client_auth import AuthenticatedClient, RequestOrigin
from oauth.endpoints import wiring
from oauth.protocol import assertions, jwk
from oauth.protocol.assertions import AHEAD_S, MAX_LIFETIME_S, Assertion, claimed_subject
from oauth.protocol.client_auth_methods import ASSERTION_TYPE, ClientAssertionAuth
from oauth.protocol.errors import FailedTooOften, InvalidClient, OAuthError, TooManyAtOnce
from oauth.protocol.jwk import KeyPair
from oauth.protocol.throttle import BURST
from oauth.replays import USED, OwnReplays, SharedReplays
from oauth.signature_checks import EACH
from portal.edge import lifespan
from tests.oauth.protocol.test_jwk import costly
from tests.support.asgi import Reply
from tests.support.environment import ON_SQLITE
from tests.support.hot_path import using
from tests.support.oauth.key_pairs import PAIRS
from tests.support.oauth.memory import ADDRESS, Memory, post, refused

TOKEN_URL = f"{django_settings.PUBLIC_URL}/oauth/token"
Refuse = Callable[..., bool]


@pytest.fixture
def keyed(memory: Memory) -> Iterator[Memory]:
    """The client with keys in place of secrets; nobody has used an assertion yet."""
    memory.change_client(secrets=(), public_keys=json.dumps([pair.public for pair in PAIRS.values()]).encode())
    with using(replays=OwnReplays(born_at=0)):
        yield memory


def assertion(
    client_id: str, pair: KeyPair = PAIRS["ES256"], *, header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """A right assertion, but for what is given; a claim of None is left out."""
    now = int(time.time())
    usual = {"iss": client_id, "sub": client_id, "aud": django_settings.PUBLIC_URL, "iat": now, "exp": now + 60}
    payload = {name: value for name, value in (usual | {"jti": f"{now}"} | claims).items() if value is not None}
    headers = {"kid": pair.kid, "typ": "client-authentication+jwt"} | (header or {})
    given = {name: value for name, value in headers.items() if value is not None}
    return jwt.encode(payload, jwk.load_private(pair.private), pair.public["alg"], headers=given)


def present(text: str, **more: str) -> Reply:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
    return post(form | more, peer=ADDRESS)


@pytest.mark.parametrize("algorithm", jwk.ALGORITHMS)
@pytest.mark.parametrize("header", [{}, {"typ": "JWT"}])
def test_a_right_assertion_gets_a_token(keyed: Memory, algorithm: str, header: dict[str, Any]) -> None:
    """TK14."""
    own_id = keyed.client.client_id
    assert present(assertion(own_id, PAIRS[algorithm], header=header), client_id=own_id).status == 200


def test_an_assertion_that_names_no_key_is_tried_with_those_of_its_algorithm(keyed: Memory) -> None:
    own_id, now = keyed.client.client_id, int(time.time())
    claims = {"iss": own_id, "sub": own_id, "aud": django_settings.PUBLIC_URL, "iat": now, "exp": now + 60, "jti": "1"}
    assert present(jwt.encode(claims, jwk.load_private(PAIRS["RS256"].private), "RS256")).status == 200


def test_of_several_keys_of_an_algorithm_the_assertion_names_one(
    keyed: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [jwk.generate("ES256") for _ in range(3)]
    keyed.change_client(public_keys=json.dumps([pair.public for pair in pairs]).encode())
    checks = count_checks(monkeypatch)
    own_id = keyed.client.client_id
    assert refused(present(assertion(own_id, pairs[2], header={"kid": None})), "invalid_client", 401)
    assert not checks
    assert present(assertion(own_id, pairs[2])).status == 200
    assert len(checks) == 1
    assert checks[0].startswith("signatures")  # on a thread of its own, off the event loop


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads on which ES256 signatures are checked from now on."""
    checks: list[str] = []
    verify = ECAlgorithm.verify

    def counted(*arguments: Any) -> bool:
        checks.append(threading.current_thread().name)
        return verify(*arguments)

    monkeypatch.setattr(ECAlgorithm, "verify", counted)
    return checks


def test_a_stored_key_that_is_not_accepted_any_more_counts_as_none(keyed: Memory) -> None:
    good, bad = PAIRS["ES256"], costly()
    stored: Any
    for stored in ([bad], [bad, {"kty": "RSA"}, 7, {}, {"kty": ["RSA"]}, {"kid": 7}], {"keys": []}, None):
        keyed.change_client(public_keys=json.dumps(stored).encode())
        reply = present(assertion(keyed.client.client_id, PAIRS["RS256"], header={"kid": bad["kid"]}))
        assert refused(reply, "invalid_client", 401)
    keyed.change_client(public_keys=b"no JSON")
    assert refused(present(assertion(keyed.client.client_id)), "invalid_client", 401)
    keyed.change_client(public_keys=json.dumps([bad, good.public]).encode())
    assert present(assertion(keyed.client.client_id)).status == 200


def test_after_many_failures_assertions_are_looked_at_one_at_a_time_and_a_right_one_is_let_in(
    keyed: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_id, stranger = keyed.client.client_id, jwk.generate("ES256")
    bogus = [assertion(own_id, stranger, header={"kid": PAIRS["ES256"].kid}, jti=f"{n}") for n in range(40)]
    for text in bogus[:BURST]:
        assert refused(present(text), "invalid_client", 401)
    checks = count_checks(monkeypatch)
    told = at_once(*bogus)
    assert len(checks) == 1
    assert all(isinstance(each, FailedTooOften) for each in told)
    assert isinstance(at_once(assertion(own_id))[0], AuthenticatedClient)
    assert isinstance(at_once(assertion(own_id, jti="2"), *bogus)[0], AuthenticatedClient)
    assert all(isinstance(each, InvalidClient) for each in at_once(*bogus[:3], address="203.0.113.99"))


def test_a_flood_of_assertions_for_one_client_from_one_address_keeps_no_other_waiting(
    keyed: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_id, is_over = keyed.client.client_id, threading.Event()
    monkeypatch.setattr(assertions, "check", lambda *_, **__: is_over.wait(10) and None)

    async def scene() -> tuple[list[object], list[object]]:
        flood = [
            asyncio.create_task(tell(assertion(own_id, jti=f"{n}"), RequestOrigin(ADDRESS))) for n in range(EACH + 5)
        ]
        other = asyncio.create_task(tell(assertion(own_id), RequestOrigin("203.0.113.99")))
        done, _ = await asyncio.wait([*flood, other], timeout=0.5)
        is_over.set()
        return [each.result() for each in done], [await other]

    turned_away, others = asyncio.run(scene())
    assert [type(each) for each in turned_away] == [TooManyAtOnce] * 5
    assert all(isinstance(each, TooManyAtOnce) and each.headers == (("retry-after", "1"),) for each in turned_away)
    assert [type(each) for each in others] == [InvalidClient]


def at_once(*texts: str, address: str = ADDRESS) -> list[object]:
    """What becomes of assertions that come together."""
    origin = RequestOrigin(address)

    async def ask() -> list[object]:
        return await asyncio.gather(*(tell(text, origin) for text in texts))

    return asyncio.run(ask())


async def tell(text: str, origin: RequestOrigin) -> object:
    """The client, or the refusal."""
    subject = claimed_subject(text)
    assert subject is not None
    deadline = asyncio.get_running_loop().time() + 10
    try:
        return await wiring.server().clients.authenticate(ClientAssertionAuth(subject, text), origin, deadline=deadline)
    except OAuthError as refusal:
        return refusal


def test_a_client_is_told_which_rule_its_own_assertion_breaks_and_a_stranger_is_not(keyed: Memory) -> None:
    own_id, now, stranger = keyed.client.client_id, int(time.time()), jwk.generate("ES256")
    broken: dict[str, dict[str, Any]] = {
        "aud": {"aud": TOKEN_URL},
        "at most 300 seconds": {"exp": now + 3600},
        "ahead of the clock": {"iat": now + 20, "exp": now + 60},
        "has expired": {"iat": now - 60, "exp": now - 1},
        "both the client_id": {"iss": "client_other"},
        "as text": {"jti": None},
    }
    for words, claims in broken.items():
        reply = present(assertion(own_id, **claims))
        assert refused(reply, "invalid_client", 401)
        assert words in reply.json["error_description"]
    for text in (assertion(own_id, stranger, header={"kid": PAIRS["ES256"].kid}, exp=now - 1), "a.b.c"):
        reply = post({"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}, peer="203.0.113.99")
        assert reply.json["error_description"] == "Client authentication failed."


@pytest.mark.parametrize("ahead_s", [0, 6, 9])
def test_a_clients_clock_may_be_ahead_by_ten_seconds(keyed: Memory, ahead_s: int) -> None:
    at = int(time.time()) + ahead_s
    assert present(assertion(keyed.client.client_id, iat=at, nbf=at, exp=at + 300)).status == 200


def test_uses_are_counted_for_the_key(keyed: Memory, counted: UsageRecorder) -> None:
    present(assertion(keyed.client.client_id))
    ((client_id, key_id, code, address),) = counted._open.answers
    assert (client_id, code, address) == (keyed.client.client_id, Code.VALID, ADDRESS)
    assert key_id.startswith("jwk_")
    assert len(key_id) <= 32


def test_an_assertion_counts_once(keyed: Memory) -> None:
    """TK14."""
    text = assertion(keyed.client.client_id, jti="once")
    assert present(text).status == 200
    assert refused(present(text), "invalid_client", 401)
    again = assertion(keyed.client.client_id, PAIRS["RS256"], jti="once")  # another signature over the same jti
    assert refused(present(again), "invalid_client", 401)
    assert present(assertion(keyed.client.client_id, jti="another")).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": TOKEN_URL},
        {"aud": [django_settings.PUBLIC_URL, TOKEN_URL]},
        {"aud": [django_settings.PUBLIC_URL]},
        {"aud": f"{django_settings.PUBLIC_URL}/"},
        {"aud": None},
        {"iss": "client_other"},
        {"iss": None},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 257},
        {"exp": None},
        {"exp": "4000000000"},
        {"exp": -1},
        {"exp": MAX_LIFETIME_S + 60},
        {"exp": 1e300},
        {"exp": True},
        {"iat": None},
        {"iat": "1790000000"},
        {"iat": 3600, "exp": 3660},
        {"iat": -MAX_LIFETIME_S},
        {"nbf": 3600},
    ],
    ids=str,
)
def test_an_assertion_is_for_us_alone_of_now_and_complete(keyed: Memory, claims: dict[str, Any]) -> None:
    """TK14."""
    now = int(time.time())
    claims = {
        name: now + value if type(value) is int and name != "jti" else value  # from now, in seconds
        for name, value in claims.items()
    }
    try:
        text = assertion(keyed.client.client_id, **claims)
    except TypeError:  # the library refuses to sign that
        text = unsigned_like(keyed.client.client_id, claims)
    assert refused(present(text), "invalid_client", 401)


def unsigned_like(client_id: str, claims: dict[str, Any]) -> str:
    """The same, signed below the library's own checks."""
    now = int(time.time())
    usual = {
        "iss": client_id,
        "sub": client_id,
        "aud": django_settings.PUBLIC_URL,
        "iat": now,
        "exp": now + 60,
        "jti": "1",
    }
    pair = PAIRS["ES256"]
    payload = json.dumps(usual | {"jti": "1"} | claims).encode()
    return jwt.PyJWS().encode(payload, jwk.load_private(pair.private), "ES256", headers={"kid": pair.kid})


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": 7},
        {"kid": "another"},
        {"kid": PAIRS["RS256"].kid},
        {"kid": "../../etc/passwd"},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
    ],
    ids="".join,
)
def test_a_header_chooses_no_key_and_says_nothing_else(keyed: Memory, header: dict[str, Any]) -> None:
    """TK14."""
    assert refused(present(assertion(keyed.client.client_id, header=header)), "invalid_client", 401)


def test_a_key_that_the_assertion_brings_along_is_not_believed(keyed: Memory) -> None:
    own = jwk.generate("ES256")
    for header in ({"jwk": own.public}, {"kid": PAIRS["ES256"].kid}, {"kid": own.kid}):
        assert refused(present(assertion(keyed.client.client_id, own, header=header)), "invalid_client", 401)


def test_no_algorithm_is_taken_for_another(keyed: Memory) -> None:
    _, payload, _ = assertion(keyed.client.client_id).split(".")
    pair = PAIRS["ES256"]
    public = jwk.load_public(pair.public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm, key in (("none", b""), ("HS256", public), ("HS256", json.dumps(pair.public).encode())):
        signed = f"{b64(json.dumps({'alg': algorithm, 'kid': pair.kid}).encode())}.{payload}"
        signature = b64(hmac.digest(key, signed.encode(), "sha256")) if key else ""
        assert refused(present(f"{signed}.{signature}"), "invalid_client", 401)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text", ["", "a", "a.b", "a.b.c", "....", "e30.e30.", "e30.eyJzdWIiOjd9.e30", "é.é.é", "x" * 20_000]
)
def test_what_is_no_assertion_is_a_failed_authentication(keyed: Memory, text: str) -> None:
    assert refused(present(text), "invalid_client", 401)


def test_an_assertion_of_another_type_or_client_is_refused(keyed: Memory) -> None:
    text = assertion(keyed.client.client_id)
    form = {"grant_type": "client_credentials", "client_assertion": text}
    assert refused(post(form), "invalid_client", 401)
    assert refused(post(form | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}),
                   "invalid_client", 401)  # fmt: skip
    assert refused(present(text, client_id="client_0000000000000000000000"), "invalid_request")
    other = assertion("client_0000000000000000000000")
    assert refused(present(other), "invalid_client", 401)


def test_a_client_of_keys_has_no_secret_and_one_of_secrets_no_keys(keyed: Memory, memory: Memory) -> None:
    assert refused(memory.ask(), "invalid_client", 401)
    keyed.change_client(public_keys=b"[]")
    assert refused(present(assertion(keyed.client.client_id)), "invalid_client", 401)


def test_a_disabled_client_of_keys_is_refused(keyed: Memory) -> None:
    keyed.change_client(is_disabled=True)
    assert refused(present(assertion(keyed.client.client_id)), "invalid_client", 401)


# --- the memory of what was used -------------------------------------------------------------------------------------


def used(jti: str = "1", *, issued_at: float | None = None) -> Assertion:
    at = time.time() + AHEAD_S if issued_at is None else issued_at
    return Assertion(jti, at, at + 60, "kid")


def test_a_memory_younger_than_an_assertion_cannot_tell(keyed: Memory) -> None:
    with using(replays=OwnReplays(born_at=time.time())):
        reply = present(assertion(keyed.client.client_id))
    assert refused(reply, "temporarily_unavailable", 503)
    assert reply["retry-after"] == "1"


@pytest.fixture
def valkey() -> Any:
    if ON_SQLITE:
        pytest.skip("embedded mode has no Redis")
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    client.delete(USED)
    return client


def in_turn(*asked: tuple[str, Assertion]) -> list[bool | str]:
    """What two processes are told, which take turns."""

    async def ask_all() -> list[bool | str]:
        links = [Link(), Link()]
        told: list[bool | str] = []
        for number, (client_id, each) in enumerate(asked):
            try:
                told.append(await SharedReplays(links[number % 2]).claim(client_id, each))
            except Unavailable:
                told.append("unavailable")
        for link in links:
            await link.close()
        return told

    return asyncio.run(ask_all())


def old_enough(valkey: Any) -> None:
    """Let the memory be as old as it is after a few seconds."""
    in_turn(("client_0", used()))
    (born,) = [name for name in valkey.zrange(USED, 0, -1) if name.startswith(b"born:")]
    valkey.zincrby(USED, 60, born)


def test_the_memory_begins_when_a_process_serves_and_not_with_the_first_assertion(valkey: Any) -> None:
    async def serve_for_a_moment() -> None:
        serving = asyncio.create_task(wiring.tend_replays())
        while not valkey.exists(USED):  # noqa: ASYNC110  # what happens there is no event here
            await asyncio.sleep(0)
        serving.cancel()

    with using(replays=SharedReplays(Link())):
        asyncio.run(serve_for_a_moment())
    assert wiring.tend_replays in lifespan._while_serving
    (born,) = valkey.zrange(USED, 0, -1)
    valkey.zincrby(USED, AHEAD_S + 1, born)  # as many seconds later
    assert in_turn(("client_1", used(issued_at=time.time()))) == [True]


def test_an_assertion_that_one_process_has_seen_no_other_takes(valkey: Any) -> None:
    """TK14."""
    old_enough(valkey)
    asked = [("client_1", used("1")), ("client_1", used("1")), ("client_2", used("1")), ("client_1", used("2"))]
    assert in_turn(*asked) == [True, False, True, True]
    expired = Assertion("3", time.time(), time.time() - AHEAD_S - 1, "kid")
    assert in_turn(("client_1", expired), ("client_1", used("4"))) == [True, True]
    assert valkey.zcard(USED) == 5  # birth, 1, 1, 2, 4: what has expired is forgotten


def test_what_has_expired_by_the_clock_of_redis_alone_is_not_taken_again(valkey: Any) -> None:
    old_enough(valkey)
    expiring = Assertion("1", time.time(), time.time() - 1, "kid")  # a process whose clock is behind believes it still
    assert in_turn(("client_1", expiring), ("client_1", expiring)) == [True, False]


def test_a_memory_that_was_lost_takes_nothing_that_may_have_been_used_before(valkey: Any) -> None:
    old_enough(valkey)
    before = used("1", issued_at=time.time())
    assert in_turn(("client_1", before)) == [True]
    valkey.delete(USED)  # evicted, flushed, or another server
    ahead = used("2", issued_at=time.time() + AHEAD_S - 1)
    assert in_turn(("client_1", before), ("client_1", ahead)) == ["unavailable"] * 2
    assert in_turn(("client_1", used("3", issued_at=time.time() + AHEAD_S + 1))) == [True]


def test_without_redis_nobody_can_tell(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert in_turn(("client_1", used())) == ["unavailable"]
