"""Create service accounts; ``keys.team.services.departures`` removes them, because their keys need a new owner."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from portal.audit import Actor, record_of, require
from portal.audit_actions import AuditAction
from portal.models import Organization, ServiceAccount
from portal.permissions import Action
from portal.refusals import Invalid, Refused
from portal.services.organizations import checked_name, lock_organization


def create_service_account(organization: Organization, name: str, *, by: Actor) -> ServiceAccount:
    """Create a service account, an owner of keys that is not a person.

    Raises NotAllowed, Invalid for a bad or taken name, or Refused at the limit.
    """
    name = checked_name(name)
    with transaction.atomic(durable=True):
        organization = lock_organization(organization)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        present = ServiceAccount.objects.filter(organization=organization, removed_at=None)
        if present.filter(name=name).exists():
            raise Invalid("name", "Another service account has this name.")
        if present.count() >= settings.MAX_MEMBERS_PER_ORGANIZATION:
            raise Refused(f"An organization has at most {settings.MAX_MEMBERS_PER_ORGANIZATION} service accounts.")
        account = ServiceAccount.objects.create(organization=organization, name=name)
        record_of(AuditAction.SERVICE_ACCOUNT_CREATED, account, by, timezone.now())
    return account
