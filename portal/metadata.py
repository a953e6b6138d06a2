"""Validate metadata and external ids. Pure; each check raises ValueError.

Metadata is a JSON object that responses to backends carry unchanged. Consumers write the metadata of their own
credentials; operators write separate metadata. Each error's text is meant for the person who typed the value.
"""

import json
import re
from collections.abc import Iterable

from portal.fields import Rows

MAX_METADATA_BYTES = 4096
MAX_METADATA_CHARS = 2 * MAX_METADATA_BYTES  # as it is typed, with spaces and line breaks
MAX_METADATA_DEPTH = 8
MAX_METADATA_ROWS = 20
MIN_METADATA_NUMBER, MAX_METADATA_NUMBER = 1e-15, 1e20
MAX_EXTERNAL_ID_CHARS = 200
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON; of an even number of backslashes, each two are one of the text


def parse_metadata(text: str) -> dict[str, object]:
    """Parse metadata that a person typed. An empty text means no metadata."""
    return clean_metadata(parse_json(text)) if text.strip() else {}


def spell_metadata(metadata: dict[str, object]) -> str:
    """Return metadata as text for ``parse_metadata``, on several lines if that fits the form's limit.

    No metadata gives an empty text.
    """
    if not metadata:
        return ""
    text = json.dumps(metadata, indent=2, ensure_ascii=False)
    sent_chars = len(text) + text.count("\n")  # browsers send a line break as two characters
    return text if sent_chars <= MAX_METADATA_CHARS else json.dumps(metadata, ensure_ascii=False)


def parse_metadata_rows(rows: Rows) -> dict[str, object]:
    """Parse metadata from rows of a name and a text, and a JSON object with the other values."""
    found: dict[str, object] = {}
    for typed_name, typed in rows.cells:
        name, value = typed_name.strip(), typed.strip()
        if not name:
            raise ValueError(f"Give {value[:50]!r} a name.")
        if name in found:
            raise ValueError(f"The name {name[:50]!r} stands twice.")
        found[name] = value
    others = parse_metadata(rows.text)
    twice = found.keys() & others.keys()
    if twice:
        raise ValueError(f"The name {min(twice)[:50]!r} stands twice: in a row and in the JSON.")
    return clean_metadata(found | others)


def metadata_rows(metadata: dict[str, object]) -> Rows:
    """Write metadata as ``parse_metadata_rows`` reads it: texts of one line as rows, other values as JSON."""
    cells = [(name, value) for name, value in metadata.items() if isinstance(value, str) and _fit_a_row(name, value)]
    in_rows = dict(cells[:MAX_METADATA_ROWS])
    others = {name: value for name, value in metadata.items() if name not in in_rows}
    return Rows(list(in_rows.items()), spell_metadata(others))


def _fit_a_row(name: str, value: str) -> bool:
    return name != "" and all(text == text.strip() and not {"\r", "\n"} & set(text) for text in (name, value))


def parse_json(text: str) -> object:
    """Parse a JSON value; refuse an object in which a name occurs twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise _Twice
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except _Twice:
        raise ValueError("A name stands twice in the same object.") from None
    except (ValueError, RecursionError):
        raise ValueError('This is not JSON. Write an object such as {"team": "billing"}.') from None


def clean_external_id(text: str) -> str | None:
    """Return the id without outer spaces: at most 200 printable characters. None if it is empty."""
    external_id = text.strip()
    if len(external_id) > MAX_EXTERNAL_ID_CHARS:
        raise ValueError(f"Use at most {MAX_EXTERNAL_ID_CHARS} characters; this has {len(external_id)}.")
    if not external_id.isprintable():
        raise ValueError("Use printable characters alone.")
    return external_id or None


def clean_metadata(value: object) -> dict[str, object]:
    """Return the metadata if it is a JSON object of at most 4 KiB and depth 8."""
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004  # what was typed, not a type of ours
            'Metadata is a JSON object such as {"team": "billing"}.'
        )
    if _depth(value) > MAX_METADATA_DEPTH:
        raise ValueError(f"Nest metadata at most {MAX_METADATA_DEPTH} deep.")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, UnicodeEncodeError):
        raise ValueError("Metadata holds a value that JSON cannot carry.") from None
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"Metadata is limited to {MAX_METADATA_BYTES:,} bytes; this is {size:,}.")
    if _NUL.search(text):
        raise ValueError("Metadata may not hold NUL characters.")  # PostgreSQL's jsonb cannot store them
    json.loads(text, parse_int=_check_number, parse_float=_check_number)
    return value


def _check_number(digits: str) -> None:
    # PostgreSQL's jsonb writes out every digit: 1e308 would come back with 309 digits, past any limit in bytes.
    size = abs(float(digits))
    if size and not MIN_METADATA_NUMBER <= size < MAX_METADATA_NUMBER:
        raise ValueError("Metadata holds a number that backends could not read; write it as text.")


def _depth(value: object) -> int:
    children: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    deepest, level = 1, [iter(children)]
    while level:  # a loop, because hostile nesting would exhaust a recursion's stack
        for child in level[-1]:
            if isinstance(child, dict | list):
                level.append(iter(child.values() if isinstance(child, dict) else child))
                deepest = max(deepest, len(level))
                break
        else:
            level.pop()
    return deepest


class _Twice(Exception):
    pass
