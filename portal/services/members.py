"""Operations on members. Each locks the organization, so that concurrent operations run one after the other."""

from django.db import transaction

from portal.audit import Actor, ActorKind, NotAllowed, record_of_person, require, role_of
from portal.audit_actions import AuditAction
from portal.mails import messages
from portal.models import Membership, Organization
from portal.permissions import Action, Role, may_grant
from portal.refusals import Refused
from portal.services.organizations import lock_organization

LAST_OWNER = "An organization needs an owner. Make somebody else an owner first, or close the organization."


def change_role(membership: Membership, role: Role, *, by: Actor) -> Membership:
    """Change a member's role; the same role changes nothing.

    Raises NotAllowed (admins can neither make nor demote owners), or Refused for the last owner or a former member.
    """
    with transaction.atomic(durable=True):
        membership = lock_member(membership)
        require(by, membership.organization, Action.MANAGE_ORGANIZATION)
        before = Role(membership.role)
        require_grant(by, membership.organization, before)
        require_grant(by, membership.organization, role)
        if before is role:
            return membership
        if before is Role.OWNER:
            refuse_last_owner(membership)
        membership.role = role
        membership.save(update_fields=["role"])
        record_of_person(
            AuditAction.MEMBER_ROLE_CHANGED,
            membership.user,
            by,
            within=membership.organization,
            before={"role": before},
            after={"role": role},
        )
    messages.send(messages.role_changed(membership.organization, role), [membership.user.email])
    return membership


def take_out(membership: Membership, *, by: Actor) -> None:
    """Delete a membership, which the open transaction has locked and whose keys it has handled.

    Members may remove themselves in any role. Otherwise raises as ``change_role``.
    """
    is_leaving = by.user == membership.user
    if not is_leaving:
        require(by, membership.organization, Action.MANAGE_ORGANIZATION)
        require_grant(by, membership.organization, Role(membership.role))
    if membership.role == Role.OWNER:
        refuse_last_owner(membership)
    action = AuditAction.MEMBER_LEFT if is_leaving else AuditAction.MEMBER_REMOVED
    record_of_person(action, membership.user, by, within=membership.organization, before={"role": membership.role})
    Membership.objects.filter(pk=membership.pk).delete()


def lock_member(membership: Membership) -> Membership:
    """Lock the organization and return the membership's current row; raise Refused if it has ended."""
    organization = lock_organization(membership.organization)
    found = Membership.objects.select_related("organization", "user").filter(
        pk=membership.pk, organization=organization
    )
    current = found.first()
    if current is None or organization.closed_at is not None:
        raise Refused("This person is no longer a member.")
    return current


def refuse_last_owner(membership: Membership) -> None:
    """Raise Refused if no other active person owns the organization."""
    owners = Membership.objects.filter(organization=membership.organization, role=Role.OWNER, user__is_active=True)
    if not owners.exclude(pk=membership.pk).exists():
        raise Refused(LAST_OWNER)


def require_grant(by: Actor, organization: Organization, role: Role) -> None:
    """Raise NotAllowed unless the actor may give and take this role."""
    granter = role_of(by, organization)
    if by.kind is ActorKind.USER and (granter is None or not may_grant(granter, role)):
        raise NotAllowed(Action.CLOSE_ORGANIZATION, granter)  # only owners may do that
