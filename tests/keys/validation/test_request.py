"""Every field at fault is named, and no value is repeated."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.validation import request
from keys.validation.request import InvalidFields, ValidateRequest
from keys.validation.strict_json import NotAnObject

BASE: dict[str, Any] = {"credential": "x"}


def parse_both_ways(body: dict[str, Any]) -> ValidateRequest:
    text = json.dumps(body).encode()
    return request.fast_parse(text) or request.strict_parse(text)


def faults(body: dict[str, object]) -> set[str]:
    with pytest.raises(InvalidFields) as caught:
        parse_both_ways(body)
    return set(caught.value.faults)


def test_the_whole_request_is_parsed() -> None:
    parsed = parse_both_ways(
        {"credential": "x", "scopes": ["a:b"], "ip": "::ffff:203.0.113.9", "method": "GET", "path": "/o/7", "cost": 3}
    )
    assert parsed.credential == "x"
    assert parsed.call.scopes == {"a:b"}
    assert parsed.call.address == "203.0.113.9"
    assert (parsed.call.method, parsed.call.path, parsed.call.cost) == ("GET", "/o/7", 3)


def test_a_credential_is_enough() -> None:
    call = parse_both_ways(BASE).call
    assert (call.scopes, call.address, call.cost) == (frozenset(), None, 1)


def test_a_request_hides_its_credential() -> None:
    assert "canary" not in repr(parse_both_ways({"credential": "canary"}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credential", 1),
        ("credential", None),
        ("scopes", None),
        ("scopes", "orders:read"),
        ("scopes", [1]),
        ("scopes", [""]),
        ("scopes", ["a b"]),
        ("scopes", ['a"b']),
        ("scopes", ["a\\b"]),
        ("scopes", ["é"]),
        ("scopes", ["\uff41"]),
        ("scopes", ["x" * 129]),
        ("scopes", ["x"] * 101),
        ("ip", None),
        ("ip", 1),
        ("ip", {}),
        ("method", None),
        ("method", 1),
        ("path", None),
        ("path", ["/"]),
        ("cost", None),
        ("cost", 0),
        ("cost", -1),
        ("cost", 1_000_001),
        ("cost", 2**64 - 1),
        ("cost", 1.0),
        ("cost", "1"),
        ("cost", True),
    ],
)
def test_a_value_out_of_bounds_names_its_field(field: str, value: object) -> None:
    assert faults(BASE | {field: value}) == {field}


@pytest.mark.parametrize(
    ("given_ip", "read"),
    [
        ("203.0.113.9:80", "203.0.113.9"),
        ("[2001:db8::7]:5678", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("203.0.113.256", None),
        ("203.0.113.0/24", None),
        ("010.0.0.1", None),
        ("unknown", None),
        ("é", None),
        ("1" * 60_000, None),
    ],
)
def test_an_ip_is_read_where_it_can_be_and_is_else_unknown(given_ip: str, read: str | None) -> None:
    assert parse_both_ways(BASE | {"ip": given_ip}).call.address == read


@pytest.mark.parametrize("text", ["", "x" * 16_385, "é" * 20_000, "\n", "a b"])
def test_any_text_may_be_a_credential(text: str) -> None:
    assert parse_both_ways({"credential": text}).credential == text


@pytest.mark.parametrize("path", ["", "orders", "é", "/" + "x" * 8_192, "//" * 10_000])
def test_a_path_that_is_none_or_too_long_is_no_fault(path: str) -> None:
    assert parse_both_ways(BASE | {"path": path}).call.path in {"", path[:8_192]}
    assert len(parse_both_ways(BASE | {"path": path}).call.path or "") <= 8_192


@pytest.mark.parametrize("method", ["", "G T", "GÉT", "X" * 65])
def test_a_method_that_is_none_is_no_fault(method: str) -> None:
    assert parse_both_ways(BASE | {"method": method}).call.method == ""


def test_a_path_is_told_from_none_at_all() -> None:
    assert parse_both_ways(BASE).call.path is None
    assert parse_both_ways(BASE | {"path": "orders"}).call.path == ""


def test_bounds_themselves_are_within() -> None:
    parse_both_ways(
        {
            "credential": "x" * 16_384,
            "scopes": ["x" * 128] * 100,
            "path": "/" + "x" * 8_191,
            "cost": 1_000_000,
        }
    )


def test_all_faults_are_named_at_once() -> None:
    assert faults({"cost": 0, "ip": 1, "colour": "red"}) == {"credential", "cost", "ip", "colour"}


def test_a_credential_as_a_fields_name_is_not_repeated() -> None:
    assert faults(BASE | {"k" * 50: 1}) == {"?"}


PIECES = [
    *'{}[],:" \\\t\né',
    '"credential":"x"',
    '"credential"',
    '"scopes"',
    '"scopes":["a"]',
    '"ip":"::1"',
    '"a"',
    '""',
]
MORE = [
    '"cost":',
    '"method":"GET"',
    '"path":"/"',
    '"path":""',
    '"ip":""',
    "1",
    "01",
    "-1",
    "0",
    "1.5",
    "1e1",
    "true",
    "null",
    "NaN",
]


@given(
    st.lists(st.sampled_from(PIECES + MORE), max_size=12).map(",".join)
    | st.lists(st.sampled_from(PIECES + MORE)).map("".join)
)
def test_the_plain_way_gives_what_the_careful_way_gives(inside: str) -> None:
    body = f"{{{inside}}}".encode()
    plain = request.fast_parse(body)
    if plain is not None:
        assert plain == request.strict_parse(body)


MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "credential": st.text(max_size=5),
    "scopes": st.lists(st.sampled_from(["a", "orders:read", "a b", ""]), max_size=3) | st.none(),
    "ip": st.sampled_from(["203.0.113.9", "::ffff:203.0.113.9", "[::1]:80", "", "1.2.3", "fe80::1%eth0"]) | st.none(),
    "method": st.sampled_from(["GET", "", "G T"]),
    "path": st.sampled_from(["/", '/a"b', "", "a"]),
    "cost": st.integers(-1, 1_000_001) | st.floats() | st.booleans(),
    "colour": st.just("red"),
}


@given(st.lists(st.sampled_from(sorted(MEMBERS)).flatmap(lambda name: MEMBERS[name].map(lambda value: (name, value)))))
def test_of_any_members_both_ways_give_the_same(members: list[tuple[str, object]]) -> None:
    text = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members)
    body = f"{{{text}}}".encode()
    plain, careful = request.fast_parse(body), _or_none(request.strict_parse, body)
    assert plain is None or plain == careful


def _or_none(read: Callable[[bytes], ValidateRequest], body: bytes) -> ValidateRequest | None:
    try:
        return read(body)
    except (NotAnObject, InvalidFields):
        return None


@pytest.mark.parametrize(
    "members",
    [
        {"credential": "x"},
        {"credential": "x: {y}", "scopes": ["a", "b"], "ip": "203.0.113.9", "method": "GET", "path": "/a", "cost": 3},
    ],
)
def test_a_plain_body_takes_the_plain_way(members: dict[str, object]) -> None:
    body = json.dumps(members).encode()
    assert request.fast_parse(body) == request.strict_parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"credential":"x","credential":"y"}',
        b'{"credential":"x","cost":1,"cost":1}',
        b'{"credential":"x","scopes":["a"],"scopes":["a"]}',
        b'{"credential":"x","scopes":[]}',
        b'{"credential":"x","ip":""}',
        b'{"credential":"x","ip":null}',
        b'{"credential":"x","cost":0}',
        b'{"credential":"\\u0041"}',
        b'{"credential":"\xc3\xa9"}',
        b'{"credential":"x","colour":"red"}',
        b'[{"credential":"x"}]',
    ],
)
def test_what_needs_care_is_left_to_the_careful_way(body: bytes) -> None:
    assert request.fast_parse(body) is None


def test_scopes_that_are_too_long_are_left_to_the_careful_way() -> None:
    huge = json.dumps({"credential": "x", "scopes": ["s" * 60_000]}).encode()
    assert request.fast_parse(huge) is None
    assert request.fast_parse(json.dumps({"credential": "x", "scopes": ["s" * 129]}).encode()) is None
    assert request.fast_parse(json.dumps({"credential": "x", "scopes": ["s" * 128]}).encode()) is not None
