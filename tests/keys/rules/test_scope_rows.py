"""Scopes of an API, typed in rows or pasted as lines."""

import pytest

from keys.rules.scope_choice import ScopeInfo
from keys.rules.scope_rows import parse_scope_lines, parse_scope_rows, scope_rows
from portal.fields import Rows

READ = ScopeInfo("orders:read", "Read orders")
REFUND = ScopeInfo("refunds:write", "Refund, in full", is_sensitive=True)


def test_rows_are_read_as_they_were_written() -> None:
    assert parse_scope_rows(scope_rows([READ, REFUND, ScopeInfo("a")])) == [READ, REFUND, ScopeInfo("a")]


@pytest.mark.parametrize(
    "line",
    ["refunds:write, Refund, in full [sensitive]", "refunds:write,Refund, in full [sensitive]",
     "  refunds:write   Refund, in full   [sensitive]  ", "refunds:write\tRefund, in full\t[sensitive]"],
)  # fmt: skip
def test_a_pasted_line_is_a_name_and_a_description(line: str) -> None:
    assert parse_scope_lines(f"orders:read, Read orders\n\n{line}\n") == [READ, REFUND]


def test_a_pasted_line_may_be_a_name_alone() -> None:
    assert parse_scope_lines("a\nb [sensitive]") == [ScopeInfo("a"), ScopeInfo("b", is_sensitive=True)]


def test_each_bad_line_is_named() -> None:
    lines = ["orders:read", "orders\u00e4", "orders:read x", "b " + "x" * 201, "c x\u202ey"]
    with pytest.raises(ValueError, match="is no scope") as raised:
        parse_scope_lines("\n".join(lines))
    said = str(raised.value).splitlines()
    assert [fault.split(":")[0].split(",")[0] for fault in said] == [
        "Line 2", "Line 3 names orders", "Line 4", "Line 5",
    ]  # fmt: skip
    assert "Use at most 200 characters" in said[2]
    assert "Leave out control characters" in said[3]


def test_each_bad_row_is_named() -> None:
    with pytest.raises(ValueError, match="Scope 2") as raised:
        parse_scope_rows(Rows([("a", "", ""), ("", "Read", ""), ("a b", "", "sensitive"), ("a", "", "")]))
    assert str(raised.value).splitlines() == [
        "Scope 2 has a description but no name.",
        "Scope 3: 'a b' is no scope. Use printable ASCII without quotes: orders:read.",
        "Scope 4 names a again.",
    ]
