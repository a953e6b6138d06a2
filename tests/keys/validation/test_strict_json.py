"""Whatever two parsers might read differently is refused."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.validation.strict_json import NotAnObject
from keys.validation.strict_json import parse_object as parse_bounded

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(texts, values, max_size=5)


MAX_VALUES = 1_000


def parse_object(body: bytes) -> dict[str, object]:
    return parse_bounded(body, max_values=MAX_VALUES)


@given(objects, st.booleans())
def test_every_plain_object_is_read_as_it_was_written(value: dict[str, object], ascii_only: bool) -> None:
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    with suppress(NotAnObject):
        assert isinstance(parse_object(body), dict)


@given(st.text(st.sampled_from('{}[]",:\\u0de1eE+-. aNt'), max_size=60))
def test_anything_like_json_is_read_as_python_reads_it_or_refused(text: str) -> None:
    try:
        value = parse_object(text.encode())
    except NotAnObject:
        return
    assert value == json.loads(text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"{}{}",
        b"{},",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 01}',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": [{"b": 1, "\\u0062": 2}]}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\udc00\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"a": "\\u0000"}',
        b'{"a": [["\\u0000"]]}',
        b'{"a": "\x00"}',
        b'{"a": "\n"}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 18446744073709551616}',
        b'{"a": -9223372036854775809}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
)
def test_what_is_not_one_strict_object_is_refused(body: bytes) -> None:
    with pytest.raises(NotAnObject):
        parse_object(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b" {} ", {}),
        (b'{"a": 18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a": -9223372036854775808}', {"a": -(2**63)}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a": "\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a": "[[[[\\"[[[["}', {"a": '[[[["[[[['}),
        (b'{"a": "' + b"[" * 40 + b'"}', {"a": "[" * 40}),
    ],
)
def test_what_only_looks_wrong_is_read(body: bytes, value: dict[str, object]) -> None:
    assert parse_object(body) == value


def test_thirty_two_levels_are_read() -> None:
    assert parse_object(b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b"1," * 1_000 + b"1]}",
        b'{"a": [' + b"{}," * 1_000 + b"1]}",
        b'{"a": ' + b'""' * 3_000 + b"}",
        b"{" + b'"a":1,' * 1_000 + b'"b":1}',
    ],
)
def test_too_many_values_are_refused_before_anything_is_built(body: bytes) -> None:
    with pytest.raises(NotAnObject, match="more than 1000 values"):
        parse_object(body)


def test_as_many_values_as_may_be_are_read() -> None:
    assert parse_object(b'{"a": [' + b"1," * 997 + b"1]}")
