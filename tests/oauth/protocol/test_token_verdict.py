"""Which check names the code where several would."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from weakref import ref

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keys.validation.cache import serialization
from keys.validation.credential_cache import CachedCredential
from keys.validation.snapshot_names import SIGNING_KEYS, api_name, client_name, organization_name
from keys.validation.types import (
    ApiSnapshot,
    Audience,
    Call,
    ClientSnapshot,
    Code,
    GrantFacts,
    OrganizationSnapshot,
    SigningKeyFacts,
    SigningKeysSnapshot,
)
from keys.validation.verdict import NOT_FOUND
from oauth.access_tokens import SIGNATURE_INVALID, AccessToken
from oauth.protocol import jwk
from oauth.protocol.access_token import Genuine
from oauth.protocol.jti import status_index_text
from oauth.protocol.token_verdict import decide, grant_of, principal_of
from tests.support.oauth.claims import claims

NOW = 1_800_000_000
TOKEN = claims(now=NOW - 900)
GRANT = GrantFacts("api_1", TOKEN.aud, ("orders:read",))
API = ApiSnapshot(
    api_id="api_1",
    identifier=TOKEN.aud,
    scopes=frozenset({"orders:read"}),
    rate_limits=(),
    max_rate_limits=(),
    signing_algorithm="ES256",
    token_lifetime_s=900,
    is_disabled=False,
)
ORGANIZATION = OrganizationSnapshot(
    organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=True
)
CLIENT = ClientSnapshot(
    client_id="client_1",
    name="sync",
    environment="live",
    organization_id="org_1",
    secrets=(),
    public_keys=b"[]",
    grants=(GRANT,),
    networks=("198.51.100.0/24",),
    rate_limits=(),
    metadata=b"{}",
    operator_metadata=b"{}",
    token_lifetime_s=None,
    generation=2,
    revoked_indexes=frozenset({status_index_text(TOKEN.jti)}),
    is_disabled=True,
    is_revoked=True,
    is_compromised=True,
)
KEPT_UNTIL = NOW + 2
PAIR = jwk.generate("ES256")
NAMES = (SIGNING_KEYS, client_name("client_1"))
SIGNING_KEYS_SNAPSHOT = SigningKeysSnapshot(
    (
        SigningKeyFacts(
            kid=PAIR.kid,
            algorithm="ES256",
            public_key=json.dumps(PAIR.public).encode(),
            private_key="",
            signs_from=0,
            signs_until=None,
            kept_until=KEPT_UNTIL,
        ),
    )
)


def test_the_first_check_that_fails_names_the_code() -> None:
    client, organization, now = CLIENT, ORGANIZATION, NOW
    call = Call(scopes=frozenset({"refunds:write"}))
    seen = []

    def look() -> None:
        principal = principal_of(TOKEN, client, GRANT, API, organization)
        seen.append(decide(TOKEN, principal, client, API, organization, call=call, now=now).code)

    look()
    repairs: tuple[dict[str, Any], ...] = (
        {"is_compromised": False},
        {"is_revoked": False},
        {"generation": 1},
        {"revoked_indexes": frozenset()},
        {"is_disabled": False},
    )
    for repair in repairs:
        client = msgspec.structs.replace(client, **repair)
        look()
    now = NOW - 1
    look()
    organization = msgspec.structs.replace(organization, is_suspended=False)
    look()
    client = msgspec.structs.replace(client, networks=())
    look()
    call = Call(scopes=frozenset({"orders:read"}))
    look()
    assert seen == [
        Code.COMPROMISED,
        Code.REVOKED,
        Code.REVOKED,
        Code.REVOKED,
        Code.DISABLED,
        Code.EXPIRED,
        Code.ORGANIZATION_SUSPENDED,
        Code.IP_DENIED,
        Code.INSUFFICIENT_SCOPE,
        Code.VALID,
    ]


def test_without_a_signing_key_and_a_client_there_is_no_verdict_but_a_refusal() -> None:
    known = AccessToken(Genuine(TOKEN, PAIR.kid), NAMES)
    assert known.resolve({NAMES[1]: CLIENT}, None, NOW) is SIGNATURE_INVALID
    assert known.resolve({NAMES[0]: SIGNING_KEYS_SNAPSHOT}, None, NOW) is NOT_FOUND
    assert known.resolve({NAMES[0]: SIGNING_KEYS_SNAPSHOT, NAMES[1]: CLIENT}, None, KEPT_UNTIL) is SIGNATURE_INVALID


@given(
    st.sampled_from([(), ("203.0.113.0/24",)]),
    st.lists(
        st.tuples(
            st.sampled_from([{}, {"generation": 2}, {"grants": ()}]),
            st.sampled_from([API, replace(API), replace(API, scopes=frozenset()), replace(API, is_disabled=True)]),
            st.sampled_from([replace(ORGANIZATION, is_suspended=False), ORGANIZATION]),
            st.sampled_from([None, Audience("api_1", "live"), Audience("api_1", "test")]),
            st.sampled_from([frozenset(), frozenset({"orders:read"}), frozenset({"refunds:write"})]),
            st.sampled_from(["203.0.113.9", "198.51.100.1", None]),
            st.sampled_from([NOW - 2, NOW - 1, NOW, NOW + 1, KEPT_UNTIL]),
        ),
        max_size=12,
    ),
)
def test_a_token_that_was_asked_about_before_is_judged_as_if_it_were_the_first_time(
    networks: tuple[str, ...], calls: list[tuple[Any, ...]]
) -> None:
    works: dict[str, Any] = {"generation": 1, "revoked_indexes": frozenset(), "networks": networks}
    usual = replace(CLIENT, is_compromised=False, is_revoked=False, is_disabled=False, **works)
    known = CachedCredential(b"", AccessToken(Genuine(TOKEN, PAIR.kid), NAMES))
    for change, api, organization, audience, scopes, address, now in calls:
        client = replace(usual, **change) if change else usual
        own = dict(zip(NAMES, (SIGNING_KEYS_SNAPSHOT, client), strict=True))
        found = own | {api_name("api_1"): api, organization_name("org_1"): organization}
        call = Call(scopes=scopes, address=address)
        verdict = known.decide(known.resolve(found, audience, now), found, call, now)
        if now >= KEPT_UNTIL:
            assert verdict is SIGNATURE_INVALID
        elif grant_of(TOKEN, client, audience) is None:
            assert verdict is NOT_FOUND
        else:
            principal = principal_of(TOKEN, client, GRANT, api, organization)
            assert verdict == decide(TOKEN, principal, client, api, organization, call=call, now=now)


def test_a_cached_verdict_keeps_no_old_client_alive() -> None:
    """Each may hold a thousand revoked tokens, and a client can have a new one made as often as it likes."""
    client = replace(
        CLIENT, is_compromised=False, is_revoked=False, is_disabled=False, generation=1, revoked_indexes=frozenset(),
        networks=(),
    )  # fmt: skip
    organization = replace(ORGANIZATION, is_suspended=False)
    known = CachedCredential(b"", AccessToken(Genuine(TOKEN, PAIR.kid), NAMES))
    found: dict[str, Any] = dict(zip(NAMES, (SIGNING_KEYS_SNAPSHOT, client), strict=True))
    found |= {api_name("api_1"): API, organization_name("org_1"): organization}
    verdict = known.decide(known.resolve(found, None, NOW - 1), found, Call(), NOW - 1)
    assert verdict.code is Code.VALID
    assert known.decide(known.resolve(found, None, NOW - 1), found, Call(), NOW - 1) is verdict
    old = ref(client)
    found[NAMES[1]] = replace(client, generation=2)
    del client
    assert old() is None
    assert known.decide(known.resolve(found, None, NOW - 1), found, Call(), NOW - 1).code is Code.REVOKED


def test_a_shared_copy_from_before_indexes_were_compared_is_no_copy() -> None:
    facts = msgspec.to_builtins(CLIENT, builtin_types=(bytes,))
    before = {name: value for name, value in facts.items() if name != "revoked_indexes"} | {
        "revoked_tokens": [TOKEN.jti]
    }
    name, run = "client:client_1", b"r" * 80
    entries = (_entry(name, body, run) for body in (facts, before))
    assert [serialization.decode(name, entry, run=run) for entry in entries] == [(CLIENT, 1), None]


def _entry(name: str, body: Mapping[str, Any], run: bytes) -> bytes:
    """As a process wrote it whose snapshots were of this shape."""
    whole = SimpleNamespace(encode=lambda _snapshot: msgspec.msgpack.encode(body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "_encoder", whole)
        return serialization.encode(name, CLIENT, run=run, read_at_ms=1)
