"""Which check names the code where several would."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keys.validation.cache import serialization
from keys.validation.types import ApiSnapshot, Call, ClientSnapshot, Code, GrantFacts, OrganizationSnapshot
from oauth.access_tokens import ResolvedAccessToken
from oauth.protocol.jti import status_index_text
from oauth.protocol.token_verdict import decide, principal_of
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


@given(
    st.sampled_from([(), ("203.0.113.0/24",)]),
    st.lists(
        st.tuples(
            st.sampled_from([API, replace(API), replace(API, scopes=frozenset()), replace(API, is_disabled=True)]),
            st.sampled_from([replace(ORGANIZATION, is_suspended=False), ORGANIZATION]),
            st.sampled_from([frozenset(), frozenset({"orders:read"}), frozenset({"refunds:write"})]),
            st.sampled_from(["203.0.113.9", "198.51.100.1", None]),
            st.sampled_from([NOW - 2, NOW - 1, NOW, NOW + 1]),
        ),
        max_size=12,
    ),
)
def test_a_token_that_was_asked_about_before_is_judged_as_if_it_were_the_first_time(
    networks: tuple[str, ...], calls: list[tuple[Any, ...]]
) -> None:
    works: dict[str, Any] = {"generation": 1, "revoked_indexes": frozenset(), "networks": networks}
    client = replace(CLIENT, is_compromised=False, is_revoked=False, is_disabled=False, **works)
    known = ResolvedAccessToken(TOKEN, "client:client_1", client, GRANT)
    for api, organization, scopes, address, now in calls:
        found = {"client:client_1": client} | dict(zip(known.names, (api, organization), strict=True))
        call = Call(scopes=scopes, address=address)
        principal = principal_of(TOKEN, client, GRANT, api, organization)
        fresh = decide(TOKEN, principal, client, api, organization, call=call, now=now)
        assert known.decide(found, call, None, now=now) == fresh


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
