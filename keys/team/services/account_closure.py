"""Closing one's account: organizations and credentials are handed over or ended, then the person is gone."""

from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import QuerySet

from keys.team.services.departures import Heir, by_organization, remove_member
from portal.audit import Actor, record_of_person
from portal.audit_actions import AuditAction
from portal.models import Membership, User
from portal.permissions import Role
from portal.refusals import Refused
from portal.services.members import change_role
from portal.services.organizations import close_organization

STAFF = "You run this portal. Have somebody else take your access to admin away first."
CHANGED = "Somebody has changed an organization of yours in the meantime. Look again, and choose again."


def memberships_of(user: User) -> QuerySet[Membership]:
    """The person's places in organizations that are open."""
    mine = Membership.objects.filter(user=user, organization__closed_at=None)
    return mine.select_related("organization", "user").order_by("organization")


def memberships_to_settle(user: User) -> list[Membership]:
    """Those of them in organizations that nobody else who can sign in owns."""
    other_owners = Membership.objects.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    mine = memberships_of(user).filter(role=Role.OWNER)
    return list(mine.exclude(organization_id__in=other_owners.values("organization_id")))


def next_owners(memberships: Collection[Membership]) -> dict[int, list[User]]:
    """Who could own each membership's organization next, by the organization's key; one query for all."""
    organizations = {membership.organization_id for membership in memberships}
    others = Membership.objects.filter(organization__in=organizations, user__is_active=True)
    others = others.exclude(user__in={membership.user_id for membership in memberships})
    return by_organization(
        (each.organization_id, each.user) for each in others.select_related("user").order_by("user__email")
    )


def close_account(user: User, heirs: Mapping[str, Heir], *, by: Actor) -> None:
    """Delete the person; ``heirs`` say, by organization, who goes on with what is theirs there.

    Where nobody else owns the organization, the heir becomes its owner; without one it is closed. Elsewhere the heir
    takes over the person's credentials; without one they are revoked. Raises Refused for staff, and where things have
    changed since the person looked: what was handed over or ended until then stays so, and a repeat goes on from there.
    """
    if user.is_staff:
        raise Refused(STAFF)
    unsettled = memberships_to_settle(user)
    for membership in unsettled:
        if heir := heirs.get(membership.organization.public_id):
            next_owner = membership.organization.memberships.filter(user__public_id=heir.public_id).first()
            if next_owner is None:
                raise Refused(CHANGED)
            change_role(next_owner, Role.OWNER, by=by)
    for membership in unsettled:
        if membership.organization.public_id not in heirs:
            close_organization(membership.organization, by=by)
    for membership in memberships_of(user):
        remove_member(membership, heir=heirs.get(membership.organization.public_id), by=by)
    with transaction.atomic(durable=True):
        if memberships_of(user).exists():
            raise Refused(CHANGED)
        record_of_person(AuditAction.USER_ACCOUNT_CLOSED, user, by)
        user.delete()
