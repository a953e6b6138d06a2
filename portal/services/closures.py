"""Closing one's account: its organizations are handed over or closed, then the person is gone."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from portal.audit import Actor, record
from portal.audit_actions import AuditAction
from portal.models import Membership, User
from portal.permissions import Role
from portal.refusals import Refused
from portal.services.members import change_role, lock_member, take_out
from portal.services.organizations import close_organization

STAFF = "You run this portal. Have somebody else take your access to admin away first."


def memberships_to_settle(user: User) -> list[Membership]:
    """The person's places in organizations that nobody else who can sign in owns."""
    mine = Membership.objects.filter(user=user, role=Role.OWNER, organization__closed_at=None)
    other_owners = Membership.objects.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    settled = other_owners.values("organization_id")
    return list(mine.exclude(organization_id__in=settled).select_related("organization").order_by("pk"))


def heirs_of(membership: Membership) -> list[Membership]:
    """Who could own the organization next."""
    others = Membership.objects.filter(organization=membership.organization, user__is_active=True)
    return list(others.exclude(user=membership.user).select_related("user").order_by("user__email"))


def close_account(user: User, heirs: Mapping[str, Membership], *, by: Actor) -> None:
    """Delete the person; ``heirs`` say, by organization, who owns it next. Those without an heir are closed.

    Keys stay with their organizations. Raises Refused for staff, and where things have changed since the person
    looked: what was handed over or closed until then stays so, and a repeat goes on from there.
    """
    if user.is_staff:
        raise Refused(STAFF)
    unsettled = memberships_to_settle(user)
    for membership in unsettled:
        if heir := heirs.get(membership.organization.public_id):
            change_role(heir, Role.OWNER, by=by)
    for membership in unsettled:
        if membership.organization.public_id not in heirs:
            close_organization(membership.organization, by=by)
    with transaction.atomic(durable=True):
        for membership in Membership.objects.filter(user=user, organization__closed_at=None).order_by("organization"):
            take_out(lock_member(membership), by=by)
        record(
            AuditAction.USER_ACCOUNT_CLOSED,
            actor=by,
            at=timezone.now(),
            subject_id=user.public_id,
            subject_label=user.email,
        )
        user.delete()
