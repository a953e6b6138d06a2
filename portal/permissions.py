"""Which role may do what in an organization: one table. Pure."""

from enum import StrEnum


class Role(StrEnum):
    """A member's role, most powerful first."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"

    def widens(self, to: "Role") -> bool:
        """Return True if the other role is more powerful than this one."""
        order = list(Role)
        return order.index(to) < order.index(self)


class Action(StrEnum):
    """An action that needs a role."""

    VIEW = "view"
    MANAGE_KEYS = "manage_keys"  # create credentials; change one's own and those of service accounts
    MANAGE_ALL_KEYS = "manage_all_keys"  # change anybody's credentials
    MANAGE_ORGANIZATION = "manage_organization"  # its name, people and policies
    CLOSE_ORGANIZATION = "close_organization"


ROLES_FOR: dict[Action, frozenset[Role]] = {
    Action.VIEW: frozenset(Role),
    Action.MANAGE_KEYS: frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    Action.MANAGE_ALL_KEYS: frozenset({Role.OWNER, Role.ADMIN}),
    Action.MANAGE_ORGANIZATION: frozenset({Role.OWNER, Role.ADMIN}),
    Action.CLOSE_ORGANIZATION: frozenset({Role.OWNER}),
}


MEANINGS: dict[Role, str] = {
    Role.OWNER: "Everything, and may close the organization.",
    Role.ADMIN: "People, policies, all keys and OAuth clients.",
    Role.DEVELOPER: "Creates keys and OAuth clients; changes their own and those of service accounts.",
    Role.VIEWER: "Looks at everything but secrets, and changes nothing.",
}


def can(role: Role, action: Action) -> bool:
    """Return True if the role allows the action."""
    return role in ROLES_FOR[action]


def may_grant(granter: Role, role: Role) -> bool:
    """Return True if a member may give or take this role: owners any role, admins any but owner."""
    return can(granter, Action.MANAGE_ORGANIZATION) and (granter is Role.OWNER or role is not Role.OWNER)
