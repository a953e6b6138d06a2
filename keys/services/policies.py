"""Enforce an organization's policies on its members. Operators are not bound by them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from keys.models import ApiKey, Credential, Environment
from keys.rules.networks import WidestPrefixes
from keys.rules.policy_rules import KeyFacts, Violation, network_violations, violations
from keys.services.errors import Invalid
from portal.audit import Actor, ActorKind, role_of
from portal.models import Organization
from portal.permissions import Action, Role, can
from portal.services.policies import who_can_change_it

NAMES_SHOWN = 3
BOUND = {ActorKind.USER, ActorKind.CREDENTIAL}


def widest_prefixes() -> WidestPrefixes:
    """Return the operator's bound on a live key's networks, for organizations that require networks."""
    return WidestPrefixes(settings.WIDEST_IPV4_PREFIX, settings.WIDEST_IPV6_PREFIX)


def broken_rules(organization: Organization, facts: KeyFacts, *, by: Actor, is_new: bool = True) -> list[Violation]:
    """Return every rule that a key with these facts would break. The rule on who creates live keys is for new ones."""
    if by.kind not in BOUND:
        return []
    makers = _maker_rule(organization, by) if is_new and facts.is_live else []
    return makers + violations(organization.policies, facts, widest=widest_prefixes())


def hold_policies_on_new(
    organization: Organization, columns: Mapping[str, Any], *, is_live: bool, by: Actor, now: datetime
) -> None:
    """Raise Invalid for the first rule that a new key with these columns would break."""
    facts = KeyFacts.of(columns, is_live=is_live, secret_from=now)
    for violation in broken_rules(organization, facts, by=by):
        raise broken(organization, violation, by=by)


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
        raise broken(organization, violation, by=by)


def hold_policies_on_edit(key: ApiKey, columns: Mapping[str, Any], changed: Sequence[str], *, by: Actor) -> None:
    """Raise Invalid for the first rule that a changed field would break; unchanged fields may go on breaking rules."""
    facts = KeyFacts.of(columns, is_live=key.environment == Environment.LIVE, secret_from=secret_from(key))
    for violation in broken_rules(key.organization, facts, by=by, is_new=False):
        if violation.field in changed:
            raise broken(key.organization, violation, by=by)


def secret_from(key: ApiKey) -> datetime:
    """Return when the key's newest secret was made."""
    return key.secrets.latest("pk").created_at


def hold_policies_on_roll(credential: Credential, *, by: Actor) -> None:
    """Raise Invalid if the actor may make no live credentials: a new secret is as powerful as a new credential."""
    if by.kind in BOUND and credential.environment == Environment.LIVE:
        _require_maker(credential.organization, by)


def _require_maker(organization: Organization, by: Actor) -> None:
    for violation in _maker_rule(organization, by):
        raise broken(organization, violation, by=by)


def _maker_rule(organization: Organization, by: Actor) -> list[Violation]:
    """Return the broken rule if the actor may not make live keys."""
    policies = organization.policies
    role = role_of(by, organization) if by.user else Role.DEVELOPER  # a credential has scopes instead of a role
    if role is not None and policies.may_make_live_keys(role):
        return []
    makers = " and ".join(f"{each}s" for each in Role if policies.may_make_live_keys(each))
    remedy = f"Choose Test. Only {makers} can create live keys."
    return [Violation("environment", f"lets only {makers} create live keys", remedy)]


def may_change_policies(organization: Organization, by: Actor) -> bool:
    """Return True if the actor may change the organization's policies."""
    role = role_of(by, organization) if by.user else None
    return role is not None and can(role, Action.MANAGE_ORGANIZATION)


def who_changes_policies(organization: Organization) -> str:
    """Return the names of people who may change the organization's policies, as the beginning of a sentence."""
    return " or ".join(person.display_name for person in who_can_change_it(organization)[:NAMES_SHOWN])


def broken(organization: Organization, violation: Violation, *, by: Actor) -> Invalid:
    """Build the refusal: the organization, its rule, and who can change it."""
    may = may_change_policies(organization, by)
    who = "You can change this in Policies" if may else f"{who_changes_policies(organization)} can change that"
    return Invalid(violation.field, f"{organization.name} {violation.rule}. {who}.")
