"""The order of the checks is the contract: the first that fails names the code, whatever else is wrong."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keys.validation.api_keys import ApiKeyCredential
from keys.validation.credential_cache import CachedCredential
from keys.validation.snapshot_names import api_name, organization_name, secret_name
from keys.validation.types import (
    ApiSecretSnapshot,
    ApiSnapshot,
    Audience,
    Call,
    Code,
    KeySnapshot,
    Limit,
    Limits,
    OrganizationSnapshot,
)
from keys.validation.verdict import decide, works

NOW = 1_800_000_000.0
KEY = KeySnapshot(
    digest=b"\1" * 32,
    secret_id="sec_1",
    secret_ends_at=None,
    key_id="key_1",
    name="billing worker",
    environment="live",
    organization_id="org_1",
    api_id="api_1",
    scopes=("orders:read", "orders:write"),
    networks=(),
    rate_limits=(),
    quota=None,
    metadata=b'{"plan":"gold"}',
    operator_metadata=b"{}",
    not_before=None,
    expires_at=None,
    is_disabled=False,
    is_revoked=False,
    is_compromised=False,
)
API = ApiSnapshot(
    api_id="api_1",
    identifier="https://orders.example.com",
    scopes=frozenset({"orders:read", "orders:write", "refunds:write"}),
    rate_limits=(),
    max_rate_limits=(),
    signing_algorithm="ES256",
    token_lifetime_s=900,
    is_disabled=False,
)
ORGANIZATION = OrganizationSnapshot(
    organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=False
)
AUDIENCE = Audience("api_1", "live")
SECRET = ApiSecretSnapshot(
    digest=b"\2" * 32,
    secret_id="sec_2",
    api_id="api_1",
    environment="live",
    ends_at=None,
    is_disabled=False,
    is_revoked=False,
)

# What makes each check fail, in the order of the contract; changes of key, API, organization and call.
FAULTS: list[tuple[Code, str, dict[str, object]]] = [
    (Code.NOT_FOUND, "key", {"api_id": "api_2"}),
    (Code.NOT_FOUND, "key", {"environment": "test"}),
    (Code.COMPROMISED, "key", {"is_compromised": True, "is_revoked": True}),
    (Code.REVOKED, "key", {"is_revoked": True}),
    (Code.DISABLED, "key", {"is_disabled": True}),
    (Code.DISABLED, "api", {"is_disabled": True}),
    (Code.NOT_YET_VALID, "key", {"not_before": NOW + 1}),
    (Code.EXPIRED, "key", {"expires_at": NOW - 1}),
    (Code.SUPERSEDED, "key", {"secret_ends_at": NOW - 1}),
    (Code.ORGANIZATION_SUSPENDED, "organization", {"is_suspended": True}),
    (Code.IP_DENIED, "key", {"networks": ("10.0.0.0/8",)}),
    (Code.INSUFFICIENT_SCOPE, "call", {"scopes": frozenset({"refunds:write"})}),
]


def code_with(*faults: tuple[Code, str, dict[str, object]]) -> Code:
    changes: dict[str, dict[str, object]] = {"key": {}, "api": {}, "organization": {}, "call": {}}
    for _, where, change in faults:
        changes[where] |= change
    return decide(
        replace(KEY, **changes["key"]),
        replace(API, **changes["api"]),
        replace(ORGANIZATION, **changes["organization"]),
        replace(Call(address="203.0.113.9"), **changes["call"]),
        AUDIENCE,
        now=NOW,
    ).code


def test_a_key_without_a_fault_is_valid() -> None:
    assert code_with() is Code.VALID


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_code(fault: tuple[Code, str, dict[str, object]]) -> None:
    assert code_with(fault) is fault[0]


@pytest.mark.parametrize(("earlier", "later"), list(combinations(FAULTS, 2)))
def test_of_two_faults_the_earlier_names_the_code(
    earlier: tuple[Code, str, dict[str, object]], later: tuple[Code, str, dict[str, object]]
) -> None:
    assert code_with(later, earlier) is earlier[0]


@given(st.lists(st.sampled_from(FAULTS), min_size=1))
def test_of_any_faults_the_first_names_the_code(faults: list[tuple[Code, str, dict[str, object]]]) -> None:
    assert code_with(*faults) is min(faults, key=FAULTS.index)[0]


@pytest.mark.parametrize(
    ("field", "seconds_from_now", "code"),
    [
        ("expires_at", 1, Code.VALID),
        ("expires_at", 0, Code.EXPIRED),
        ("expires_at", -1, Code.EXPIRED),
        ("secret_ends_at", 1, Code.VALID),
        ("secret_ends_at", 0, Code.SUPERSEDED),
        ("not_before", 1, Code.NOT_YET_VALID),
        ("not_before", 0, Code.VALID),
    ],
)
def test_an_instant_belongs_to_what_begins_with_it(field: str, seconds_from_now: float, code: Code) -> None:
    assert code_with((code, "key", {field: NOW + seconds_from_now})) is code


@pytest.mark.parametrize("missing", ["key", "api", "organization"])
def test_without_all_its_snapshots_nothing_is_valid(missing: str) -> None:
    found = {"key": KEY, "api": API, "organization": ORGANIZATION} | {missing: None}
    verdict = decide(found["key"], found["api"], found["organization"], Call(), AUDIENCE, now=NOW)  # type: ignore[arg-type]
    assert verdict.code is Code.NOT_FOUND
    assert verdict.principal is None


def test_a_key_of_another_api_tells_nothing_of_itself() -> None:
    stranger = decide(KEY, API, ORGANIZATION, Call(), Audience("api_2", "live"), now=NOW)
    unknown = decide(None, None, None, Call(), AUDIENCE, now=NOW)
    assert stranger == unknown


def test_a_refusal_of_the_right_secret_tells_whose_it_is() -> None:
    verdict = decide(replace(KEY, is_revoked=True), API, ORGANIZATION, Call(), AUDIENCE, now=NOW)
    assert verdict.principal is not None
    assert verdict.principal.credential_id == "key_1"


def test_a_scope_the_api_no_longer_has_is_gone_from_the_key() -> None:
    cut = replace(API, scopes=frozenset({"orders:read"}))
    verdict = decide(KEY, cut, ORGANIZATION, Call(scopes=frozenset({"orders:write"})), AUDIENCE, now=NOW)
    assert verdict.code is Code.INSUFFICIENT_SCOPE
    assert verdict.missing_scopes == ("orders:write",)
    assert verdict.principal is not None
    assert verdict.principal.scopes == ("orders:read",)


@pytest.mark.parametrize(
    ("networks", "address", "code"),
    [
        (("203.0.113.0/24",), "203.0.113.9", Code.VALID),
        (("203.0.113.0/24",), "203.0.114.9", Code.IP_DENIED),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", Code.VALID),
        (("10.0.0.0/8",), "2001:db8::1", Code.IP_DENIED),
        (("::ffff:10.0.0.0/104",), "10.1.2.3", Code.VALID),
        (("::ffff:10.0.0.0/104",), "11.1.2.3", Code.IP_DENIED),
        (("::/0",), "10.1.2.3", Code.IP_DENIED),
        (("203.0.113.0/24",), None, Code.IP_DENIED),
        ((), None, Code.VALID),
    ],
)
def test_networks_admit_addresses_within_them_alone(networks: tuple[str, ...], address: str | None, code: Code) -> None:
    call = Call(address=address)
    assert decide(replace(KEY, networks=networks), API, ORGANIZATION, call, AUDIENCE, now=NOW).code is code


OWN, USUAL, MOST = Limit("daily", 100, 86_400), Limit("default", 10, 1), Limit("default", 50, 60)


@pytest.mark.parametrize(
    ("own", "usual", "ceiling", "each"),
    [
        ((), (), (), None),
        ((), (USUAL,), (), [("default", 10, 1)]),
        ((OWN,), (USUAL,), (), [("daily", 100, 86_400)]),
        ((OWN,), (USUAL,), (MOST,), [("daily", 100, 86_400), ("api.default", 50, 60)]),
        ((), (USUAL,), (MOST,), [("default", 10, 1), ("api.default", 50, 60)]),
        ((), (), (MOST,), [("api.default", 50, 60)]),
        ((MOST,), (), (MOST,), [("default", 50, 60)]),  # counted once
    ],
)
def test_a_keys_own_limits_replace_the_apis_and_its_ceiling_holds_besides(
    own: tuple[Limit, ...],
    usual: tuple[Limit, ...],
    ceiling: tuple[Limit, ...],
    each: list[tuple[str, int, int]] | None,
) -> None:
    key, api = replace(KEY, rate_limits=own), replace(API, rate_limits=usual, max_rate_limits=ceiling)
    principal = decide(key, api, ORGANIZATION, Call(), AUDIENCE, now=NOW).principal
    assert principal is not None
    expected = each and Limits("key_1", "org_1", tuple(Limit(*limit, owner="key_1") for limit in each))
    assert principal.limits == expected


@given(
    st.tuples(*[st.sampled_from([None, NOW - 1, NOW, NOW + 1])] * 3),
    st.sampled_from([(), ("203.0.113.0/24",)]),
    st.lists(
        st.tuples(
            st.sampled_from([{}, {"is_disabled": True}, {"api_id": "api_2"}, None]),
            st.sampled_from(
                [API, replace(API), replace(API, scopes=frozenset()), replace(API, is_disabled=True), None]
            ),
            st.sampled_from([ORGANIZATION, replace(ORGANIZATION, is_suspended=True), None]),
            st.sampled_from([AUDIENCE, replace(AUDIENCE), Audience("api_1", "test"), None]),
            st.sampled_from([frozenset(), frozenset({"orders:read"}), frozenset({"refunds:write"})]),
            st.sampled_from(["203.0.113.9", "198.51.100.1", None]),
            st.sampled_from([NOW - 2, NOW - 1, NOW, NOW + 1, NOW + 2]),
        ),
        max_size=12,
    ),
)
def test_a_key_that_was_asked_about_before_is_judged_as_if_it_were_the_first_time(
    times: tuple[float | None, ...], networks: tuple[str, ...], calls: list[tuple[Any, ...]]
) -> None:
    begins, ends, secret_ends = times
    usual = replace(KEY, not_before=begins, expires_at=ends, secret_ends_at=secret_ends, networks=networks)
    known = CachedCredential(b"", ApiKeyCredential([KEY.digest]))
    for change, api, organization, audience, scopes, address, now in calls:
        key = None if change is None else replace(usual, **change) if change else usual
        snapshots = {
            secret_name(KEY.digest): key,
            api_name(usual.api_id if key is None else key.api_id): api,
            organization_name(usual.organization_id): organization,
        }
        found = {name: snapshot for name, snapshot in snapshots.items() if snapshot is not None}
        call = Call(scopes=scopes, address=address)
        verdict = known.decide(known.resolve(found, audience, now), found, call, now)
        assert verdict == decide(key, api, organization, call, audience, now=now)


@pytest.mark.parametrize(
    ("secret", "api"),
    [
        (SECRET, None),
        (replace(SECRET, is_revoked=True), API),
        (replace(SECRET, is_disabled=True), API),
        (replace(SECRET, ends_at=NOW), API),
        (SECRET, replace(API, is_disabled=True)),
    ],
)
def test_an_api_secret_that_does_not_work_lets_nobody_ask(secret: ApiSecretSnapshot, api: ApiSnapshot | None) -> None:
    assert not works(secret, api, now=NOW)


def test_an_api_secret_works_until_it_ends() -> None:
    assert works(replace(SECRET, ends_at=NOW + 1), API, now=NOW)
