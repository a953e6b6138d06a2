"""Every field at fault is named, and no value is repeated."""

import ipaddress
from typing import Any

import pytest

from keys.validation.question import InvalidFields, read_question

BASE: dict[str, Any] = {"credential": "x"}


def faults(body: dict[str, object]) -> set[str]:
    with pytest.raises(InvalidFields) as caught:
        read_question(body)
    return set(caught.value.faults)


def test_the_whole_question_is_read() -> None:
    question = read_question(
        {"credential": "x", "scopes": ["a:b"], "ip": "::ffff:203.0.113.9", "method": "GET", "path": "/o/7", "cost": 3}
    )
    assert question.credential == "x"
    assert question.call.scopes == {"a:b"}
    assert question.call.address == ipaddress.ip_address("203.0.113.9")
    assert (question.call.method, question.call.path, question.call.cost) == ("GET", "/o/7", 3)


def test_a_credential_is_enough() -> None:
    call = read_question(BASE).call
    assert (call.scopes, call.address, call.cost) == (frozenset(), None, 1)


def test_a_question_hides_its_credential() -> None:
    assert "canary" not in repr(read_question({"credential": "canary"}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credential", ""),
        ("credential", "x" * 16_385),
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
        ("ip", ""),
        ("ip", "203.0.113.256"),
        ("ip", "203.0.113.9:80"),
        ("ip", "203.0.113.0/24"),
        ("ip", "010.0.0.1"),
        ("ip", "fe80::1%eth0"),
        ("method", None),
        ("method", ""),
        ("method", "G T"),
        ("method", "GÉT"),
        ("path", None),
        ("path", "orders"),
        ("path", ""),
        ("path", "/" + "x" * 8_192),
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


def test_bounds_themselves_are_within() -> None:
    read_question(
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
