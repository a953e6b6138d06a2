"""Scopes as people choose them: by resource, None / Read / Write, where names say so; else one by one. Pure.

``orders:read`` and ``orders:write`` become one choice for ``orders``, in which Write means both. Whatever is named
otherwise is ticked by itself.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keys.rules.field_rules import clean_note, is_scope

SENSITIVE = "[sensitive]"
MAX_ROWS_UNSCROLLED = 20


class Level(StrEnum):
    """How far a key may go with a resource."""

    NONE = ""
    READ = "read"
    WRITE = "write"
    WRITE_ONLY = "write_only"


@dataclass(frozen=True)
class ScopeInfo:
    """A scope that the API has."""

    name: str
    description: str = ""
    is_sensitive: bool = False


@dataclass(frozen=True)
class Option:
    """One level that can be chosen, the scopes that it gives, what it adds, and whether it is chosen now."""

    level: Level
    label: str
    scopes: tuple[str, ...]
    hint: str
    is_sensitive: bool
    is_chosen: bool


@dataclass(frozen=True)
class Group:
    """One resource: its levels, as a set of which one is chosen."""

    resource: str
    field: str
    options: Sequence[Option]


@dataclass(frozen=True)
class Box:
    """A scope that is ticked by itself."""

    scope: ScopeInfo
    is_chosen: bool


@dataclass(frozen=True)
class Picker:
    """All that can be chosen of an API's scopes."""

    groups: Sequence[Group]
    boxes: Sequence[Box]
    box_field: str = "scope"

    @property
    def is_long(self) -> bool:
        """Whether it is to scroll by itself."""
        return len(self.groups) + len(self.boxes) > MAX_ROWS_UNSCROLLED


_LABELS = {Level.NONE: "None", Level.READ: "Read", Level.WRITE: "Write", Level.WRITE_ONLY: "Write only"}


def picker(scopes: Sequence[ScopeInfo], chosen: Collection[str], *, prefix: str = "") -> Picker:
    """The choice among the scopes, as it stands; a resource that is written but not read has a level of its own.

    ``prefix`` begins the fields' names where one form has the scopes of several APIs.
    """
    by_resource = _levels(scopes)
    grouped = {scope.name for found in by_resource.values() for scope in found.values()}
    return Picker(
        [
            Group(resource, f"{prefix}access:{resource}", _options(found, chosen))
            for resource, found in by_resource.items()
        ],
        [Box(scope, scope.name in chosen) for scope in scopes if scope.name not in grouped],
        f"{prefix}scope",
    )


def chosen_scopes(
    scopes: Sequence[ScopeInfo], levels: Mapping[str, str], ticked: Iterable[str], *, prefix: str = ""
) -> list[str]:
    """The scopes that a sent form names: ``levels`` by field name (``access:orders``), ``ticked`` by scope."""
    names = set(ticked)
    for group in picker(scopes, (), prefix=prefix).groups:
        level = levels.get(group.field, Level.NONE)
        read, write = f"{group.resource}:read", f"{group.resource}:write"
        given: dict[str, set[str]] = {Level.READ: {read}, Level.WRITE: {read, write}, Level.WRITE_ONLY: {write}}
        wanted = given.get(level, set())
        names |= wanted & {scope.name for scope in scopes}
    return sorted(names)


def readable(scopes: Sequence[ScopeInfo]) -> list[str]:
    """The scopes that only read."""
    return [scope.name for scope in scopes if scope.name.endswith(":read")]


def parse_scopes(text: str) -> list[ScopeInfo]:
    """One scope a line: its name, its description, and ``[sensitive]`` where it is; raises ValueError naming a line."""
    found: dict[str, ScopeInfo] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        name, rest = words[0], words[1].rstrip() if len(words) > 1 else ""
        if not is_scope(name):
            raise ValueError(
                f"Line {number}: {name[:50]!r} is no scope. Use printable ASCII without quotes: orders:read."
            )
        if name in found:
            raise ValueError(f"Line {number} names {name} again.")
        try:
            description = clean_note(rest.removesuffix(SENSITIVE))
        except ValueError as exc:
            raise ValueError(f"Line {number}, the description: {exc}") from None
        found[name] = ScopeInfo(name, description, rest.endswith(SENSITIVE))
    return list(found.values())


def spell_scope(scope: ScopeInfo) -> str:
    """The scope as ``parse_scopes`` reads it."""
    return " ".join(filter(None, (scope.name, scope.description, SENSITIVE if scope.is_sensitive else "")))


def _levels(scopes: Sequence[ScopeInfo]) -> dict[str, dict[str, ScopeInfo]]:
    found: dict[str, dict[str, ScopeInfo]] = {}
    for scope in scopes:
        resource, _, verb = scope.name.rpartition(":")
        if resource and verb in {"read", "write"}:
            found.setdefault(resource, {})[verb] = scope
    return found


def _options(found: Mapping[str, ScopeInfo], chosen: Collection[str]) -> list[Option]:
    read, write = found.get("read"), found.get("write")
    current = _current(read, write, chosen)
    given: dict[Level, tuple[ScopeInfo, ...]] = {Level.NONE: ()}
    if read:
        given[Level.READ] = (read,)
    if write:
        given[Level.WRITE] = (read, write) if read else (write,)
    if current is Level.WRITE_ONLY and write:
        given[Level.WRITE_ONLY] = (write,)
    return [_option(level, of, is_chosen=level is current) for level, of in given.items()]


def _option(level: Level, scopes: tuple[ScopeInfo, ...], *, is_chosen: bool) -> Option:
    return Option(
        level,
        _LABELS[level],
        tuple(scope.name for scope in scopes),
        scopes[-1].description if scopes else "",
        any(scope.is_sensitive for scope in scopes),
        is_chosen,
    )


def _current(read: ScopeInfo | None, write: ScopeInfo | None, chosen: Collection[str]) -> Level:
    has_read, has_write = bool(read and read.name in chosen), bool(write and write.name in chosen)
    if has_write:
        return Level.WRITE if has_read or read is None else Level.WRITE_ONLY
    return Level.READ if has_read else Level.NONE
