"""A remembered token is judged as if each call were the first: after every change, and after every two changes."""

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from keys.validation.credential_cache import CachedCredential
from keys.validation.snapshot_names import api_name, organization_name
from keys.validation.types import Audience, Code
from oauth.access_tokens import AccessToken
from oauth.protocol.access_token import Genuine
from oauth.protocol.jti import status_index_text
from tests.oauth.protocol.test_token_verdict import (
    API,
    CLIENT,
    KEPT_UNTIL,
    NAMES,
    NOW,
    ORGANIZATION,
    PAIR,
    SIGNING_KEYS_SNAPSHOT,
    TOKEN,
)
from tests.support.validation.warm import judged

KEYS_AT, CLIENT_AT = NAMES
API_AT, ORGANIZATION_AT = api_name("api_1"), organization_name("org_1")
REVOKED = {"revoked_indexes": frozenset({status_index_text(TOKEN.jti)})}
CHANGES: list[tuple[str, Any]] = [
    *[(CLIENT_AT, each) for each in ({}, {"generation": 2}, {"grants": ()}, {"is_disabled": True}, REVOKED)],
    *[(KEYS_AT, each) for each in (replace(SIGNING_KEYS_SNAPSHOT), replace(SIGNING_KEYS_SNAPSHOT, keys=()))],
    *[
        (API_AT, each)
        for each in (replace(API), replace(API, scopes=frozenset()), replace(API, is_disabled=True), None)
    ],
    *[(ORGANIZATION_AT, each) for each in (ORGANIZATION, None)],  # it is suspended there
    *[("audience", each) for each in (Audience("api_1", "live"), Audience("api_1", "test"))],
    *[("scopes", frozenset({each})) for each in ("orders:read", "refunds:write")],
    *[("address", each) for each in ("198.51.100.1", None)],
    *[("now", each) for each in (NOW - 2, NOW, NOW + 1, KEPT_UNTIL)],
]


@pytest.mark.parametrize("networks", [(), ("203.0.113.0/24",)])
def test_after_any_two_changes_a_known_token_is_judged_as_an_unknown_one(networks: tuple[str, ...]) -> None:
    works: dict[str, Any] = {"generation": 1, "revoked_indexes": frozenset(), "networks": networks}
    client = replace(CLIENT, is_compromised=False, is_revoked=False, is_disabled=False, **works)
    pure = AccessToken(Genuine(TOKEN, PAIR.kid), NAMES)
    for changes in product(CHANGES, repeat=2):
        known = CachedCredential(b"", pure)
        world: dict[str, Any] = {KEYS_AT: SIGNING_KEYS_SNAPSHOT, CLIENT_AT: client, API_AT: API, "audience": None}
        world |= {ORGANIZATION_AT: replace(ORGANIZATION, is_suspended=False)}
        world |= {"scopes": frozenset(), "address": "203.0.113.9", "now": NOW - 1}
        assert judged(known, pure, world).code is Code.VALID
        for name, value in changes:
            world[name] = replace(client, **value) if name == CLIENT_AT else value
            judged(known, pure, world)
