"""Show the effect of a policy before it is set: keys that break it, and people it concerns. Read only."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db.models import Max, Q, QuerySet

from keys.models import ApiKey, Environment
from keys.rules.policy_rules import KeyFacts, in_words, violations
from keys.services.policies import widest_prefixes
from portal import activity
from portal.models import Membership, Organization
from portal.permissions import ROLES_FOR, Action, Role
from portal.policies import Policies


@dataclass(frozen=True)
class BreakingKey:
    """A key that goes on working although it breaks rules, and these rules in words."""

    key: ApiKey
    rules: str


def breaking_keys(organization: Organization, policies: Policies, *, now: datetime) -> list[BreakingKey]:
    """Return the unrevoked, unexpired keys that break these policies, recently used first."""
    found, widest = [], widest_prefixes()
    for key in _present(organization, now).annotate(secret_from=Max("secrets__created_at")):
        is_live = key.environment == Environment.LIVE
        facts = KeyFacts.of(vars(key), is_live=is_live, secret_from=key.secret_from)
        broken = violations(policies, facts, widest=widest)
        if broken:
            found.append(BreakingKey(key, in_words(broken)))
    return sorted(found, key=lambda each: each.key.last_used_at or each.key.created_at, reverse=True)


def by_rules(found: Iterable[BreakingKey]) -> dict[str, list[ApiKey]]:
    """Group the keys by the rules that they break, and keep their order."""
    groups: dict[str, list[ApiKey]] = defaultdict(list)
    for each in found:
        groups[each.rules].append(each.key)
    return dict(groups)


def without_second_factor(organization: Organization) -> QuerySet[Membership]:
    """Return the members who would have to set up a second factor."""
    factors = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)
    return organization.memberships.filter(user__is_active=True).exclude(user__in=factors.values("user"))


def without_live_keys(organization: Organization, policies: Policies) -> int:
    """Count the members who may make keys, but could make no live keys under these policies."""
    roles = [role for role in Role if role in ROLES_FOR[Action.MANAGE_KEYS] and not policies.may_make_live_keys(role)]
    return organization.memberships.filter(role__in=roles).count()


def policy_words(policies: Policies) -> Sequence[activity.ValueChange]:
    """Return each policy with its label and its value in words."""
    shown = policies.shown()
    return [
        activity.ValueChange(activity.label_of(name), "", activity.value_words(name, shown[name])) for name in shown
    ]


def _present(organization: Organization, now: datetime) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(organization=organization, revoked_at=None).filter(
        Q(expires_at=None) | Q(expires_at__gt=now)
    )
