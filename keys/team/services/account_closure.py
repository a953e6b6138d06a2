"""Close a person's account: hand over or end organizations and credentials, then delete the person."""

from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import QuerySet

from keys.team.services.departures import CredentialOwner, by_organization, remove_member
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
    """Return the person's memberships in organizations that are open."""
    mine = Membership.objects.filter(user=user, organization__closed_at=None)
    return mine.select_related("organization", "user").order_by("organization")


def memberships_to_settle(user: User) -> list[Membership]:
    """Return the person's memberships in organizations that have no other active owner."""
    other_owners = Membership.objects.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    mine = memberships_of(user).filter(role=Role.OWNER)
    return list(mine.exclude(organization_id__in=other_owners.values("organization_id")))


def next_owners(memberships: Collection[Membership]) -> dict[int, list[User]]:
    """Return possible next owners of each membership's organization, by the organization's pk; runs one query."""
    organizations = {membership.organization_id for membership in memberships}
    others = Membership.objects.filter(organization__in=organizations, user__is_active=True)
    others = others.exclude(user__in={membership.user_id for membership in memberships})
    return by_organization(
        (each.organization_id, each.user) for each in others.select_related("user").order_by("user__email")
    )


def close_account(user: User, new_owners: Mapping[str, CredentialOwner], *, by: Actor) -> None:
    """Delete the person. ``new_owners`` maps organizations to the new owner of what the person leaves there.

    If nobody else owns the organization, the new owner owns it next; without a new owner it is closed. In other
    organizations the new owner gets the person's credentials; without a new owner they are revoked.
    Raises Refused for staff, and if anything has changed since the person looked. Everything handed over or ended by
    then stays so, and a repeat continues from there.
    """
    if user.is_staff:
        raise Refused(STAFF)
    unsettled = memberships_to_settle(user)
    for membership in unsettled:
        if new_owner := new_owners.get(membership.organization.public_id):
            next_owner = membership.organization.memberships.filter(user__public_id=new_owner.public_id).first()
            if next_owner is None:
                raise Refused(CHANGED)
            change_role(next_owner, Role.OWNER, by=by)
    for membership in unsettled:
        if membership.organization.public_id not in new_owners:
            close_organization(membership.organization, by=by)
    for membership in memberships_of(user):
        remove_member(membership, new_owner=new_owners.get(membership.organization.public_id), by=by)
    with transaction.atomic(durable=True):
        if memberships_of(user).exists():
            raise Refused(CHANGED)
        record_of_person(AuditAction.USER_ACCOUNT_CLOSED, user, by)
        user.delete()
