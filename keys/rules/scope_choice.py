"""Present scopes for people to choose: None / Read / Write per resource where names allow, else one by one. Pure.

``orders:read`` and ``orders:write`` become one choice for ``orders``, in which Write includes both. ``orders:delete``
gets a check box beside them. A scope with any other name gets a line of its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

FOLDED_FROM = 12  # groups


class Level(StrEnum):
    """The access of a key to a resource."""

    NONE = ""
    READ = "read"
    WRITE = "write"
    WRITE_ONLY = "write_only"


@dataclass(frozen=True)
class ScopeInfo:
    """A scope of the API."""

    name: str
    description: str = ""
    is_sensitive: bool = False


@dataclass(frozen=True)
class Option:
    """One level that can be chosen: the scopes it gives, a hint, and whether it is chosen now."""

    level: Level
    label: str
    scopes: tuple[str, ...]
    hint: str
    is_sensitive: bool
    is_chosen: bool


@dataclass(frozen=True)
class Box:
    """A scope with a check box of its own; the label leaves out the resource that the group names."""

    scope: ScopeInfo
    label: str
    is_chosen: bool


@dataclass(frozen=True)
class Group:
    """The choices of one resource: levels, of which one is chosen, and check boxes; or a single check box."""

    resource: str
    field: str
    options: Sequence[Option]
    boxes: Sequence[Box]

    @property
    def is_chosen(self) -> bool:
        """Tell whether any scope of the group is chosen."""
        return any(option.is_chosen and option.level for option in self.options) or any(
            box.is_chosen for box in self.boxes
        )

    @property
    def hint(self) -> str:
        """Return the descriptions of the levels, each once."""
        return " · ".join(dict.fromkeys(option.hint for option in self.options if option.hint))

    @property
    def is_sensitive(self) -> bool:
        """Tell whether a level gives a sensitive scope."""
        return any(option.is_sensitive for option in self.options)


@dataclass(frozen=True)
class Picker:
    """All choices for the scopes of an API."""

    groups: Sequence[Group]
    box_field: str

    @property
    def is_long(self) -> bool:
        """Tell whether groups are folded away."""
        return len(self.groups) >= FOLDED_FROM

    @property
    def chosen(self) -> list[Group]:
        """Return the groups with a chosen scope."""
        return [group for group in self.groups if group.is_chosen]

    @property
    def shown(self) -> list[Group]:
        """Return the groups that are always shown: all of a few; of many the chosen ones, if these are few."""
        found = self.chosen if self.is_long else self.groups
        return list(found) if len(found) < FOLDED_FROM else []

    @property
    def folded(self) -> list[Group]:
        """Return the other groups."""
        shown = self.shown
        return [group for group in self.groups if group not in shown]

    @property
    def fields(self) -> list[str]:
        """Return the names under which a browser sends the choices."""
        return [self.box_field, *(group.field for group in self.groups if group.options)]


_VERBS = (Level.READ, Level.WRITE)
_GIVEN: Mapping[str, Sequence[Level]] = {Level.READ: _VERBS[:1], Level.WRITE: _VERBS, Level.WRITE_ONLY: _VERBS[1:]}
_LABELS = {Level.NONE: "None", Level.READ: "Read", Level.WRITE: "Write", Level.WRITE_ONLY: "Write only"}


def picker(scopes: Sequence[ScopeInfo], chosen: Collection[str], *, prefix: str = "") -> Picker:
    """Build the choices for the scopes, with the current ones chosen.

    A key that may write a resource but not read it gets the extra level "Write only". ``prefix`` begins the field names
    if one form has the scopes of several APIs.
    """
    by_resource: dict[str, list[ScopeInfo]] = {}
    for scope in scopes:
        by_resource.setdefault(_resource(scope), []).append(scope)
    names = frozenset(chosen)
    groups = [_group(resource, found, names, prefix) for resource, found in sorted(by_resource.items())]
    return Picker(groups, f"{prefix}scope")


def chosen_scopes(
    scopes: Sequence[ScopeInfo], levels: Mapping[str, str], ticked: Iterable[str], *, prefix: str = ""
) -> list[str]:
    """Return the scopes of a submitted form: ``levels`` by field name (``access:orders``), ``ticked`` by scope name."""
    names = set(ticked)
    for scope in scopes:
        resource = _resource(scope)
        level = levels.get(_field(prefix, resource), Level.NONE)
        if any(scope.name == f"{resource}:{verb}" for verb in _GIVEN.get(level, ())):
            names.add(scope.name)
    return sorted(names)


def readable(scopes: Sequence[ScopeInfo]) -> list[str]:
    """Return the names of the scopes that only read."""
    return [scope.name for scope in scopes if scope.name.endswith(":read")]


def _resource(scope: ScopeInfo) -> str:
    return scope.name.rpartition(":")[0] or scope.name


def _field(prefix: str, resource: str) -> str:
    return f"{prefix}access:{resource}"


def _group(resource: str, scopes: Sequence[ScopeInfo], chosen: Collection[str], prefix: str) -> Group:
    levels = {verb: scope for scope in scopes for verb in _VERBS if scope.name == f"{resource}:{verb}"}
    boxes = [
        Box(scope, scope.name.removeprefix(f"{resource}:") or scope.name, scope.name in chosen)
        for scope in scopes
        if scope not in levels.values()
    ]
    stands_alone = len(scopes) == 1 and not levels
    return Group(
        scopes[0].name if stands_alone else resource,
        _field(prefix, resource),
        _options(levels, chosen) if levels else (),
        boxes,
    )


def _options(found: Mapping[Level, ScopeInfo], chosen: Collection[str]) -> list[Option]:
    read, write = found.get(Level.READ), found.get(Level.WRITE)
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
