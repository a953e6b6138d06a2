"""A remembered key is judged as if each call were the first: after every change, and after every two changes."""

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from keys.validation.api_keys import ApiKeyCredential
from keys.validation.credential_cache import CachedCredential
from keys.validation.snapshot_names import api_name, organization_name, secret_name
from keys.validation.types import Audience, Code
from tests.keys.validation.test_verdict import API, AUDIENCE, KEY, NOW, ORGANIZATION
from tests.support.validation.warm import judged

KEY_AT, API_AT, ORGANIZATION_AT = secret_name(KEY.digest), api_name("api_1"), organization_name("org_1")
OTHER_DIGEST = b"o" * 32
CHANGES: list[tuple[str, Any]] = [
    *[(KEY_AT, each) for each in ({}, {"is_revoked": True}, {"api_id": "api_2"}, {"scopes": ()})],
    (secret_name(OTHER_DIGEST), replace(KEY, digest=OTHER_DIGEST, is_revoked=True)),
    *[
        (API_AT, each)
        for each in (replace(API), replace(API, scopes=frozenset()), replace(API, is_disabled=True), None)
    ],
    *[(ORGANIZATION_AT, each) for each in (replace(ORGANIZATION, is_suspended=True), None)],
    *[("audience", each) for each in (replace(AUDIENCE), Audience("api_1", "test"), None)],
    *[("scopes", frozenset({each})) for each in ("orders:read", "refunds:write")],
    *[("address", each) for each in ("198.51.100.1", None)],
    *[("now", NOW + each) for each in (-2, -1, 1, 2)],
]


@pytest.mark.parametrize("networks", [(), ("203.0.113.0/24",)])
@pytest.mark.parametrize("limits", [{}, {"expires_at": NOW + 1}, {"secret_ends_at": NOW + 1}, {"not_before": NOW - 1}])
def test_after_any_two_changes_a_known_key_is_judged_as_an_unknown_one(
    networks: tuple[str, ...], limits: dict[str, float]
) -> None:
    key = replace(KEY, networks=networks, **limits)
    pure = ApiKeyCredential([OTHER_DIGEST, KEY.digest])
    for changes in product(CHANGES, repeat=2):
        known = CachedCredential(b"", pure)
        world: dict[str, Any] = {KEY_AT: key, API_AT: API, ORGANIZATION_AT: ORGANIZATION, "audience": AUDIENCE}
        world |= {"scopes": frozenset(), "address": "203.0.113.9", "now": NOW}
        assert judged(known, pure, world).code is Code.VALID
        for name, value in changes:
            world[name] = replace(key, **value) if name == KEY_AT else value
            judged(known, pure, world)
