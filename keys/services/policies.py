"""Enforce an organization's policies on its members. Operators are not bound by them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from keys.models import ApiKey, Credential, Environment
from keys.rules.networks import WidestPrefixes
from keys.rules.policy_rules import KeyFacts, network_violations, violations
from keys.services.errors import Invalid
from portal.audit import Actor, ActorKind, role_of
from portal.models import Organization
from portal.permissions import Role
from portal.services.policies import who_can_change_it

NAMES_SHOWN = 3
BOUND = {ActorKind.USER, ActorKind.CREDENTIAL}


def widest_prefixes() -> WidestPrefixes:
    """Return the operator's bound on a live key's networks, for organizations that require networks."""
    return WidestPrefixes(settings.WIDEST_IPV4_PREFIX, settings.WIDEST_IPV6_PREFIX)


def hold_policies_on_new(
    organization: Organization, columns: Mapping[str, Any], *, is_live: bool, by: Actor, now: datetime
) -> None:
    """Raise Invalid for the first rule that a new key with these columns would break."""
    if by.kind not in BOUND:
        return
    if is_live:
        _require_maker(organization, by)
    facts = KeyFacts(is_live, columns["networks"], columns["expires_at"], secret_from=now)
    for violation in violations(organization.policies, facts, widest=widest_prefixes()):
        raise broken(organization, violation.field, violation.rule)


def hold_policies_on_client(
    organization: Organization, networks: Sequence[str], *, is_live: bool, is_new: bool, by: Actor
) -> None:
    """Raise Invalid for the first rule that an OAuth client would break.

    Rules on expiry do not apply: a client never expires, only its tokens do.
    """
    if by.kind not in BOUND:
        return
    if is_live and is_new:
        _require_maker(organization, by)
    widest = widest_prefixes()
    for violation in network_violations(organization.policies, networks, is_live=is_live, widest=widest):
        raise broken(organization, violation.field, violation.rule)


def hold_policies_on_edit(key: ApiKey, columns: Mapping[str, Any], changed: Sequence[str], *, by: Actor) -> None:
    """Raise Invalid for the first rule that a changed field would break; unchanged fields may go on breaking rules."""
    if by.kind not in BOUND:
        return
    is_live = key.environment == Environment.LIVE
    secret_from = key.secrets.latest("pk").created_at
    facts = KeyFacts(is_live, columns["networks"], columns["expires_at"], secret_from)
    for violation in violations(key.organization.policies, facts, widest=widest_prefixes()):
        if violation.field in changed:
            raise broken(key.organization, violation.field, violation.rule)


def hold_policies_on_roll(credential: Credential, *, by: Actor) -> None:
    """Raise Invalid if the actor may make no live credentials: a new secret is as powerful as a new credential."""
    if by.kind in BOUND and credential.environment == Environment.LIVE:
        _require_maker(credential.organization, by)


def _require_maker(organization: Organization, by: Actor) -> None:
    policies = organization.policies
    role = role_of(by, organization) if by.user else Role.DEVELOPER  # a credential has scopes instead of a role
    if role is None or not policies.may_make_live_keys(role):
        makers = [f"{each}s" for each in Role if policies.may_make_live_keys(each)]
        raise broken(organization, "environment", f"lets only {' and '.join(makers)} make live keys")


def broken(organization: Organization, field: str, rule: str) -> Invalid:
    """Build the refusal: the organization, its rule, and the people who can change it."""
    names = [person.display_name for person in who_can_change_it(organization)[:NAMES_SHOWN]]
    return Invalid(field, f"{organization.name} {rule}. {' or '.join(names)} can change that.")
