"""The JWK Set and the metadata, as whoever verifies tokens and whoever writes a client reads them."""

import json
import time
from typing import Any

import msgspec
import pytest
from pytest_django import Settings

from keys.validation.snapshot_names import SIGNING_KEYS
from keys.validation.store.database import Unavailable
from keys.validation.types import SigningKeyFacts, SigningKeysSnapshot
from oauth.endpoints.discovery import jwks, metadata
from oauth.protocol.jwk import ALGORITHMS, generate
from oauth.protocol.key_rotation import JWKS_MAX_AGE_S, KEPT_AFTER, PUBLISHED_AHEAD
from portal.edge.request_body import AsgiApp
from tests.support.asgi import Reply, ask
from tests.support.hot_path import using
from tests.support.oauth.memory import Memory, signing_key

pytestmark = pytest.mark.usefixtures("memory")


def get(app: AsgiApp, *headers: tuple[str, str], method: str = "GET") -> Reply:
    return ask(app, method, "/.well-known/it", headers=headers)


def test_the_keys_are_public_kept_for_a_while_and_not_sent_twice() -> None:
    """JK1."""
    reply = get(jwks)
    assert (reply.status, reply["content-type"]) == (200, "application/jwk-set+json")
    assert reply["cache-control"] == f"public, max-age={JWKS_MAX_AGE_S}"
    assert JWKS_MAX_AGE_S <= 3600
    assert reply["access-control-allow-origin"] == "*"
    head = get(jwks, method="HEAD")
    assert (head.status, head.body, head["etag"]) == (200, b"", reply["etag"])
    for known in (reply["etag"], f'"other", W/{reply["etag"]}', "*"):
        again = get(jwks, ("if-none-match", known))
        assert (again.status, again.body, again["etag"]) == (304, b"", reply["etag"])
    assert get(jwks, ("if-none-match", '"other"')).status == 200


@pytest.mark.parametrize("app", [jwks, metadata])
def test_there_is_nothing_to_do_but_read(app: AsgiApp) -> None:
    reply = get(app, method="POST")
    assert (reply.status, reply["allow"]) == (405, "GET, HEAD")


def test_the_keys_outlive_an_outage_in_memory(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """JK1."""

    async def gone(*_: object, **__: object) -> Any:
        raise Unavailable("breaker")

    before = get(jwks).body
    monkeypatch.setattr(memory, "read", gone)
    assert get(jwks).body == before
    with using():  # another process, which has never read them
        assert (get(jwks).status, get(jwks)["retry-after"]) == (503, "1")


def test_no_private_or_symmetric_member_is_published() -> None:
    """JK2."""
    for key in get(jwks).json["keys"]:
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
        assert key.keys() == {"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}, "OKP": {"crv", "x"}}[key["kty"]] | {
            "kty", "kid", "alg", "use"
        }  # fmt: skip


def test_each_key_has_a_kid_of_its_own_a_use_and_an_algorithm() -> None:
    """JK3."""
    keys = get(jwks).json["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) == 3
    assert {key["alg"] for key in keys} == set(ALGORITHMS)
    assert {key["use"] for key in keys} == {"sig"}
    (rsa,) = [key for key in keys if key["kty"] == "RSA"]
    assert len(rsa["n"]) * 6 >= 2048
    assert {key["crv"] for key in keys if "crv" in key} == {"P-256", "Ed25519"}


def keep(memory: Memory, *keys: SigningKeyFacts) -> None:
    memory.snapshots[SIGNING_KEYS] = SigningKeysSnapshot(keys)


def kids() -> set[str]:
    return {key["kid"] for key in get(jwks).json["keys"]}


def test_a_key_is_published_before_it_signs_and_after_for_as_long_as_its_tokens_live(memory: Memory) -> None:
    """JK4."""
    now = time.time()
    old, following = signing_key(generate("ES256")), signing_key(generate("ES256"))
    turn = now + 0.5 * PUBLISHED_AHEAD.total_seconds()
    end = msgspec.structs.replace(old, signs_until=turn, kept_until=turn + KEPT_AFTER.total_seconds())
    keep(memory, end, msgspec.structs.replace(following, signs_from=turn))
    assert PUBLISHED_AHEAD.total_seconds() > JWKS_MAX_AGE_S
    assert kids() == {old.kid, following.kid}
    assert kid_of_a_token(memory) == old.kid
    turn = now - 1
    end = msgspec.structs.replace(old, signs_until=turn, kept_until=turn + KEPT_AFTER.total_seconds())
    keep(memory, end, msgspec.structs.replace(following, signs_from=turn))
    assert kids() == {old.kid, following.kid}
    assert kid_of_a_token(memory) == following.kid
    keep(memory, msgspec.structs.replace(end, kept_until=now - 1), msgspec.structs.replace(following, signs_from=turn))
    assert kids() == {following.kid}


def kid_of_a_token(memory: Memory) -> str:
    reply = memory.ask()
    memory.claims(reply)  # which finds the key by its kid
    import jwt

    kid: str = jwt.get_unverified_header(reply.json["access_token"])["kid"]
    return kid


def test_a_key_that_is_dropped_is_gone_at_once(memory: Memory) -> None:
    """JK5."""
    lost, new = signing_key(generate("ES256")), signing_key(generate("ES256"))
    keep(memory, lost)
    assert kids() == {lost.kid}
    keep(memory, msgspec.structs.replace(lost, signs_until=time.time(), kept_until=time.time()), new)
    assert kids() == {new.kid}
    assert kid_of_a_token(memory) == new.kid


def test_the_metadata_is_json_that_no_host_header_can_bend(settings: Settings) -> None:
    """MD1, MD2."""
    reply = get(metadata)
    assert (reply.status, reply["content-type"]) == (200, "application/json")
    assert reply.body == get(metadata, ("host", "evil.example")).body
    assert b"evil" not in reply.body


def test_the_issuer_is_that_of_the_tokens_and_begins_every_address(memory: Memory, settings: Settings) -> None:
    """MD2."""
    said = get(metadata).json
    assert said["issuer"] == settings.PUBLIC_URL == memory.claims(memory.ask())["iss"]
    assert not {"?", "#"} & set(said["issuer"])
    addresses = [value for name, value in said.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(addresses) == 5
    assert all(address.startswith(f"{said['issuer']}/") for address in addresses)


def test_the_metadata_claims_one_grant_type_and_no_none() -> None:
    """MD3."""
    said = get(metadata).json
    assert said["grant_types_supported"] == ["client_credentials"]
    for of in ("token", "introspection", "revocation"):
        assert "private_key_jwt" in said[f"{of}_endpoint_auth_methods_supported"]
        assert set(said[f"{of}_endpoint_auth_signing_alg_values_supported"]) == {"ES256", "RS256", "EdDSA"}
    assert "none" not in json.dumps({name: value for name, value in said.items() if name != "response_types_supported"})
    assert "authorization_endpoint" not in said
    assert [] not in said.values()


def test_the_response_types_are_not_left_out_and_not_empty() -> None:
    """MD5."""
    assert get(metadata).json["response_types_supported"] == ["none"]


def test_the_metadata_stands_where_rfc_8414_and_openid_look_for_it(settings: Settings) -> None:
    """MD1."""
    paths = settings.HOT_PATHS
    assert paths["/.well-known/oauth-authorization-server"] == paths["/.well-known/openid-configuration"]
    said = get(metadata).json
    assert {said["token_endpoint"], said["jwks_uri"]} <= {f"{said['issuer']}{path}" for path in paths}
