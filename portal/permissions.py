"""Who may do what in an organization: one table. Pure."""

from enum import StrEnum


class Role(StrEnum):
    """A member's role, widest first."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class Action(StrEnum):
    """What a role can be asked for."""

    VIEW = "view"
    MANAGE_KEYS = "manage_keys"
    MANAGE_ORGANIZATION = "manage_organization"
    CLOSE_ORGANIZATION = "close_organization"


ROLES_FOR: dict[Action, frozenset[Role]] = {
    Action.VIEW: frozenset(Role),
    Action.MANAGE_KEYS: frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    Action.MANAGE_ORGANIZATION: frozenset({Role.OWNER, Role.ADMIN}),
    Action.CLOSE_ORGANIZATION: frozenset({Role.OWNER}),
}


def can(role: Role, action: Action) -> bool:
    """Whether the role allows the action."""
    return role in ROLES_FOR[action]
