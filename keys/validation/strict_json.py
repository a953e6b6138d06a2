"""Parse one JSON object strictly (RFC 8259, I-JSON of RFC 7493). Pure.

Python's parser does the work. This module refuses the bodies which that parser accepts and another parser could read
differently: repeated members, NaN, huge numbers, lone surrogates.
"""

import json
import math
import re
from typing import NoReturn

MAX_DEPTH = 32
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
MAX_INTEGER_CHARS = 20  # "-" and 19 digits, or 20 digits
_STRINGS_AND_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{},]', re.DOTALL)
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


class NotAnObject(ValueError):
    """The body is not one JSON object within the bounds. The message gives the reason and quotes nothing."""


def parse_object(body: bytes, *, max_values: int) -> dict[str, object]:
    """Parse the body as one JSON object; raises NotAnObject.

    A body with too many values is refused before any value is built.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotAnObject("The body is not UTF-8.") from None
    _check_size(text, max_values)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise NotAnObject(f"The body is not JSON: {exc.msg.lower()} at character {exc.pos}.") from None
    if not isinstance(value, dict):
        raise NotAnObject("The body is JSON, but not an object.")
    if "\\u" in text:  # UTF-8 and the parser refuse such characters written out, so only an escape can spell one
        _check_texts(value)
    return value


def _check_size(text: str, max_values: int) -> None:
    """Raise NotAnObject if the text nests too deep, or holds too many values or strings."""
    depth = values = texts = 0
    for match in _STRINGS_AND_MARKS.finditer(text):
        mark = match[0]
        if mark in ("]", "}"):
            depth -= 1
            if depth < 0:
                return  # the parser reports the position
        elif mark == ",":
            values += 1
        elif mark in ("[", "{"):
            values += 1
            depth += 1
            if depth > MAX_DEPTH:
                raise NotAnObject(f"The body nests deeper than {MAX_DEPTH}.")
        else:
            texts += 1
        if values > max_values or texts > 2 * max_values:
            raise NotAnObject(f"The body holds more than {max_values} values.")


def _check_texts(value: object) -> None:
    if isinstance(value, str):
        if _NO_TEXT.search(value):
            raise NotAnObject("The body holds NUL or half of a surrogate pair.")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_texts(name)
            _check_texts(member)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(members)
    if len(value) != len(members):
        raise NotAnObject("The body has a member twice.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_CHARS or not MIN_INTEGER <= (number := int(digits)) <= MAX_INTEGER:
        raise NotAnObject("The body holds an integer beyond 64 bits.")
    return number


def _fraction(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotAnObject("The body holds a number beyond all bounds.")
    return number


def _constant(_name: str) -> NoReturn:
    raise NotAnObject("The body holds NaN or Infinity, which JSON has not.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
