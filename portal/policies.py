"""The rules that an organization sets for its members and their keys. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeVar

from portal.fields import Field
from portal.permissions import Role

MAX_LIFETIME_DAYS = 3650
LIVE_KEY_MAKERS = (Role.DEVELOPER, Role.ADMIN, Role.OWNER)  # the least role that makes live keys

Bound = TypeVar("Bound", int, datetime)


def _is_raised(before: Bound | None, after: Bound | None) -> bool:
    return before is not None and (after is None or after > before)


def _is_dropped(before: bool, after: bool) -> bool:  # noqa: FBT001  # the values of a policy
    return before and not after


def _admits_more_roles(before: Role, after: Role) -> bool:
    return after.widens(before)


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


_WITH_HIGHER_ROLES = {Role.DEVELOPER: "developers and above", Role.ADMIN: "admins and owners", Role.OWNER: "owners"}
POLICY_FIELDS: Mapping[str, Field] = {
    "max_key_lifetime_days": Field("Keys last at most", "no limit", phrase=_days, widens=_is_raised),
    "key_expiry_required": Field("Keys must expire", widens=_is_dropped),
    "live_networks_required": Field("Live keys must have allowed addresses", widens=_is_dropped),
    "live_keys_by": Field(
        "Live keys can be created by", phrase=lambda role: _WITH_HIGHER_ROLES[Role(role)], widens=_admits_more_roles
    ),
    "second_factor_from": Field("Two-factor sign-in required", "no", widens=_is_raised, is_moment=True),
}


@dataclass(frozen=True)
class Policies:
    """The rules of one organization; the defaults require nothing."""

    max_key_lifetime_days: int | None = None
    key_expiry_required: bool = False
    live_networks_required: bool = False
    live_keys_by: Role = Role.DEVELOPER
    second_factor_from: datetime | None = None

    def asks_second_factor(self, now: datetime) -> bool:
        """Return True if the second factor is required by now: ``second_factor_from <= now``."""
        return self.second_factor_from is not None and self.second_factor_from <= now

    def may_make_live_keys(self, role: Role) -> bool:
        """Return True if the role may make live keys."""
        return role is self.live_keys_by or self.live_keys_by.widens(role)

    def relaxed_by(self, wanted: "Policies") -> bool:
        """Return True if the wanted rules are weaker than these in any respect."""
        return any(field.widens(getattr(self, name), getattr(wanted, name)) for name, field in POLICY_FIELDS.items())

    def shown(self) -> dict[str, object]:
        """Return the rules as JSON values."""
        moment = self.second_factor_from.isoformat() if self.second_factor_from else None
        return {**asdict(self), "live_keys_by": self.live_keys_by.value, "second_factor_from": moment}
