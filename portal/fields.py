"""Describe a field that people may edit: its words, its checks, and the changes that widen access. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


def _unchanged(value: Any) -> Any:
    return value


def _never(_before: Any, _after: Any) -> bool:
    return False


@dataclass(frozen=True)
class Rows:
    """A value as a person types it into rows of inputs: the cells of each row that is not blank, and a text beside."""

    cells: Sequence[Sequence[str]] = ()
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.cells or self.text)


@dataclass(frozen=True)
class Field:
    """An editable field. ``unset`` describes an empty value.

    ``clean`` checks a value. ``parse`` reads and checks what was typed, a text or ``Rows``; ``spell`` writes a value as
    ``parse`` reads it. Both checks raise ValueError. ``phrase`` returns a value as pages put it. ``widens`` tells
    whether a change from one value to another widens access. ``is_moment`` marks a time, which audit events hold as
    ISO 8601.
    """

    label: str
    unset: str = "none"
    clean: Callable[[Any], Any] = _unchanged
    parse: Callable[[Any], Any] = _unchanged
    spell: Callable[[Any], Any] = str
    phrase: Callable[[Any], object] = _unchanged
    widens: Callable[[Any, Any], bool] = _never
    is_moment: bool = False
