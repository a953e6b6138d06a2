"""The rules that an organization sets for its members and their keys. Pure."""

from dataclasses import asdict, dataclass
from datetime import datetime

from portal.permissions import Role

MAX_LIFETIME_DAYS = 3650
LIVE_KEY_MAKERS = (Role.DEVELOPER, Role.ADMIN, Role.OWNER)  # the least role that makes live keys


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
        days, day = self.max_key_lifetime_days, self.second_factor_from
        return (
            (days is not None and (wanted.max_key_lifetime_days is None or wanted.max_key_lifetime_days > days))
            or (day is not None and (wanted.second_factor_from is None or wanted.second_factor_from > day))
            or (self.key_expiry_required and not wanted.key_expiry_required)
            or (self.live_networks_required and not wanted.live_networks_required)
            or wanted.live_keys_by.widens(self.live_keys_by)
        )

    def shown(self) -> dict[str, object]:
        """Return the rules as JSON values."""
        moment = self.second_factor_from.isoformat() if self.second_factor_from else None
        return {**asdict(self), "live_keys_by": self.live_keys_by.value, "second_factor_from": moment}
