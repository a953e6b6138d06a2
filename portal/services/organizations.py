"""Operations on organizations; each is one transaction with its audit event."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from portal.audit import Actor, record, require, require_operator
from portal.audit_actions import AuditAction
from portal.models import MAX_NAME_CHARS, Membership, Organization, User
from portal.outbox import Propagation, change
from portal.permissions import Action, Role


@dataclass(frozen=True)
class ChangedOrganization:
    """An organization after a change, and how far the change has spread."""

    organization: Organization
    propagation: Propagation


def organization_name(organization: Organization) -> str:
    """The snapshot of this organization."""
    return f"org:{organization.public_id}"


def rename_organization(organization: Organization, name: str, *, by: Actor) -> ChangedOrganization:
    """Call the organization something else; ``name`` is checked by the form that asked for it. Raises NotAllowed."""
    require(by, organization, Action.MANAGE_ORGANIZATION)
    with change() as pending:
        organization = Organization.objects.select_for_update().get(pk=organization.pk)
        record(
            AuditAction.ORGANIZATION_RENAMED,
            actor=by,
            at=timezone.now(),
            organization_id=organization.public_id,
            subject_id=organization.public_id,
            subject_label=name,
            before={"name": organization.name},
            after={"name": name},
        )
        organization.name = name
        organization.save(update_fields=["name"])
        pending.touch(organization_name(organization))
    return ChangedOrganization(organization, pending.spread)


def suspend_organization(organization: Organization, *, by: Actor) -> ChangedOrganization:
    """Refuse every credential of the organization until it is resumed; a repeat only tells the caches again."""
    return _set_suspended(organization, suspended=True, by=by)


def resume_organization(organization: Organization, *, by: Actor) -> ChangedOrganization:
    """Let the credentials of a suspended organization work again."""
    return _set_suspended(organization, suspended=False, by=by)


def _set_suspended(organization: Organization, *, suspended: bool, by: Actor) -> ChangedOrganization:
    require_operator(by)
    with change() as pending:
        organization = Organization.objects.select_for_update().get(pk=organization.pk)
        now = timezone.now()
        if (organization.suspended_at is not None) != suspended:
            organization.suspended_at = now if suspended else None
            organization.save(update_fields=["suspended_at"])
            record(
                AuditAction.ORGANIZATION_SUSPENDED if suspended else AuditAction.ORGANIZATION_RESUMED,
                actor=by,
                at=now,
                organization_id=organization.public_id,
                subject_id=organization.public_id,
                subject_label=organization.name,
            )
        pending.touch(organization_name(organization))
    return ChangedOrganization(organization, pending.spread)


def create_personal_organization(user: User, *, by: Actor) -> Organization:
    """Give a person an organization that they own."""
    with transaction.atomic():
        name = (user.name or user.email.partition("@")[0])[:MAX_NAME_CHARS]
        organization = Organization.objects.create(name=name, is_personal=True)
        Membership.objects.create(organization=organization, user=user, role=Role.OWNER)
        record(
            AuditAction.ORGANIZATION_CREATED,
            actor=by,
            at=timezone.now(),
            organization_id=organization.public_id,
            subject_id=organization.public_id,
            subject_label=organization.name,
        )
    return organization
