"""Read an API's scopes from the rows of a form and from pasted lines, and write them as rows. Pure.

A row is a name, a description and ``sensitive`` or nothing. Readers raise ValueError, which names each fault on its own
line.
"""

import re
from collections.abc import Iterable

from keys.rules.field_rules import clean_note, is_scope
from keys.rules.scope_choice import ScopeInfo
from portal.fields import Rows

SENSITIVE = "sensitive"
_MARK = f"[{SENSITIVE}]"
_LINE = re.compile(r"\s*([^\s,]+)[\s,]*(.*)")


def parse_scope_rows(rows: Rows) -> list[ScopeInfo]:
    """Parse and check the scopes of the rows."""
    return _checked(
        (f"Scope {number}", name.strip(), description, mark == SENSITIVE)
        for number, (name, description, mark) in enumerate(rows.cells, start=1)
    )


def parse_scope_lines(text: str) -> list[ScopeInfo]:
    """Parse and check one scope a line: its name, a comma or blank, its description, and ``[sensitive]`` if it is."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _LINE.fullmatch(line.rstrip()):
            description = match[2].removesuffix(_MARK)
            found.append((f"Line {number}", match[1], description, description != match[2]))
    return _checked(found)


def scope_rows(scopes: Iterable[ScopeInfo]) -> Rows:
    """Write the scopes as ``parse_scope_rows`` reads them."""
    return Rows([(scope.name, scope.description, SENSITIVE if scope.is_sensitive else "") for scope in scopes])


def _checked(found: Iterable[tuple[str, str, str, bool]]) -> list[ScopeInfo]:
    scopes: dict[str, ScopeInfo] = {}
    faults: list[str] = []
    for where, name, description, is_sensitive in found:
        if not name:
            faults.append(f"{where} has a description but no name.")
        elif not is_scope(name):
            faults.append(f"{where}: {name[:50]!r} is no scope. Use printable ASCII without quotes: orders:read.")
        elif name in scopes:
            faults.append(f"{where} names {name} again.")
        else:
            try:
                scopes[name] = ScopeInfo(name, clean_note(description), is_sensitive)
            except ValueError as exc:
                faults.append(f"{where}, the description: {exc}")
    if faults:
        raise ValueError("\n".join(faults))
    return list(scopes.values())
