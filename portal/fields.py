"""Describe a field that people may edit: its words, its checks, and the changes that widen access. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _unchanged(value: Any) -> Any:
    return value


def _never(_before: Any, _after: Any) -> bool:
    return False


@dataclass(frozen=True)
class Field:
    """An editable field. ``unset`` describes an empty value.

    ``clean`` checks a value. ``parse`` reads and checks a typed text; ``spell`` writes a value as ``parse`` reads it.
    Both checks raise ValueError. ``widens`` tells whether a change from one value to another widens access.
    """

    label: str
    unset: str = "none"
    clean: Callable[[Any], Any] = _unchanged
    parse: Callable[[str], Any] = _unchanged
    spell: Callable[[Any], str] = str
    widens: Callable[[Any, Any], bool] = _never
