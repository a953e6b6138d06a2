"""What metadata and external ids may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import metadata
from portal.fields import Rows

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(texts, values, max_size=3),
    max_leaves=6,
)


def _nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        [],
        "text",
        None,
        _nested(9),
        _nested(5000),
        {"a": "x" * 5000},
        {"a": float("nan")},
        {"a": 1e308},
        {"a": [-1e-300]},
        {"a": 10**20},
        {"a": 10**400},
        {"a": "\x00"},
        {"a": "\ud800"},
    ],
)
def test_metadata_that_cannot_be_kept_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"etadata"):
        metadata.clean_metadata(value)


def test_numbers_of_everyday_size_are_taken() -> None:
    value = {"plan": [2**64 - 1, -(2**63), 0, 0.0, -0.05, 1e-9]}
    assert metadata.clean_metadata(value) == value


@pytest.mark.parametrize("text", [r"\u0000", r"a\\u0000", "\\u0000b"])
def test_a_text_that_only_spells_a_nul_is_taken(text: str) -> None:
    assert metadata.clean_metadata({text: text}) == {text: text}


def test_metadata_of_depth_eight_is_taken() -> None:
    assert metadata.clean_metadata(_nested(8)) == _nested(8)


@pytest.mark.parametrize(
    ("text", "value"), [("", {}), (" \n", {}), ('{"plan": "gold"}', {"plan": "gold"}), ('{"é": [1]}', {"é": [1]})]
)
def test_metadata_is_read_as_it_is_spelled(text: str, value: dict[str, object]) -> None:
    assert metadata.parse_metadata(text) == value
    assert metadata.parse_metadata(metadata.spell_metadata(value)) == value


def test_metadata_of_any_shape_that_is_kept_can_be_sent_again_as_a_form_shows_it() -> None:
    many = metadata.clean_metadata({"a": [0] * 1360})
    shown = metadata.spell_metadata(many)
    assert len(shown.replace("\n", "\r\n")) <= metadata.MAX_METADATA_CHARS
    assert metadata.parse_metadata(shown) == many


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not JSON"), ("[" * 99_999, "not JSON"), ('{"a": 1, "a": 2}', "twice"), ("[]", "object")]
)
def test_what_is_no_metadata_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        metadata.parse_metadata(text)


@given(st.dictionaries(texts, texts | json_values, max_size=25))
def test_any_metadata_comes_back_from_its_rows(some: dict[str, object]) -> None:
    rows = metadata.metadata_rows(metadata.clean_metadata(some))
    assert metadata.parse_metadata_rows(rows) == some


def test_texts_of_one_line_are_rows_and_the_rest_is_json() -> None:
    some = {"team": "billing", "note": "", "poem": "a\nb", " x": "y", "": "z", "seats": 3, "tags": ["a"], "on": False}
    rows = metadata.metadata_rows(some)
    assert rows.cells == [("team", "billing"), ("note", "")]
    assert metadata.parse_metadata(rows.text) == {
        name: value for name, value in some.items() if name not in {"team", "note"}
    }
    assert len(metadata.metadata_rows({f"n{n}": "v" for n in range(99)}).cells) == metadata.MAX_METADATA_ROWS


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (Rows([("", "billing")]), "^Give 'billing' a name.$"),
        (Rows([("a", "1"), (" a ", "2")]), "^The name 'a' stands twice.$"),
        (Rows([("a", "1")], '{"a": 2}'), "in a row and in the JSON"),
        (Rows([("a", "x" * 4096)]), "limited to 4,096 bytes"),
        (Rows([("a", "1")], "{"), "not JSON"),
        (Rows([("a", "1")], "[]"), "JSON object"),
    ],
)
def test_rows_that_are_no_metadata_are_told(rows: Rows, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        metadata.parse_metadata_rows(rows)


@pytest.mark.parametrize(("text", "kept"), [("", None), ("  ", None), (" crm 42 ", "crm 42"), ("é" * 200, "é" * 200)])
def test_an_external_id_is_kept_as_it_is_but_for_outer_spaces(text: str, kept: str | None) -> None:
    assert metadata.clean_external_id(text) == kept


@pytest.mark.parametrize("text", ["a" * 201, "a\nb", "a\x00b", "a\u202eb", "a\u200bb", "\ud800", "a\xa0b", "a\x7f"])
def test_an_external_id_that_cannot_be_printed_or_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\."):
        metadata.clean_external_id(text)
