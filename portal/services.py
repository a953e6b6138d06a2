"""Operations on people and organizations; each is one transaction with its audit event."""

from dataclasses import dataclass

from django.utils import timezone

from portal.audit import Actor, record, require_operator
from portal.audit_actions import AuditAction
from portal.models import Organization
from portal.outbox import Propagation, change


@dataclass(frozen=True)
class ChangedOrganization:
    """An organization after a change, and how far the change has spread."""

    organization: Organization
    propagation: Propagation


def organization_name(organization: Organization) -> str:
    """The snapshot of this organization."""
    return f"org:{organization.public_id}"


def suspend_organization(organization: Organization, *, by: Actor) -> ChangedOrganization:
    """Refuse every credential of the organization until it is resumed; a repeat only tells the caches again."""
    return _set_suspended(organization, suspended=True, by=by)


def resume_organization(organization: Organization, *, by: Actor) -> ChangedOrganization:
    """Let the credentials of a suspended organization work again."""
    return _set_suspended(organization, suspended=False, by=by)


def _set_suspended(organization: Organization, *, suspended: bool, by: Actor) -> ChangedOrganization:
    require_operator(by)
    now = timezone.now()
    with change() as pending:
        organization = Organization.objects.select_for_update().get(pk=organization.pk)
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
