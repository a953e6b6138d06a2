"""Operations on organizations; each is one transaction with its audit event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.audit import Actor, record_of, require, require_operator
from portal.audit_actions import AuditAction
from portal.mails import messages
from portal.metadata import clean_external_id, clean_metadata
from portal.models import INTERNAL_REASON, Membership, Organization, User
from portal.names import MAX_NAME_CHARS, clean_name, normal_name
from portal.outbox import Propagation, change
from portal.permissions import Action, Role
from portal.refusals import Invalid, Refused


@dataclass(frozen=True)
class ChangedOrganization:
    """An organization after a change, and how far the change has spread."""

    organization: Organization
    propagation: Propagation


def organization_name(organization: Organization) -> str:
    """Return the snapshot name of this organization."""
    return f"org:{organization.public_id}"


def checked_name(name: str) -> str:
    """Return the name as it is stored; raise Invalid."""
    try:
        return clean_name(name)
    except ValueError as exc:
        raise Invalid("name", str(exc)) from None


def lock_organization(organization: Organization) -> Organization:
    """Lock and return the organization: changes to its people and policies run one after the other."""
    return Organization.objects.select_for_update().get(pk=organization.pk)


def create_organization(name: str, *, owner: User, by: Actor) -> Organization:
    """Create another organization for a person; raise Invalid for the name, or Refused at the limit."""
    name = checked_name(name)
    with transaction.atomic(durable=True):
        owner = User.objects.select_for_update().get(pk=owner.pk)  # enforces the limit under concurrent calls
        owned = Membership.objects.filter(user=owner, role=Role.OWNER, organization__closed_at=None)
        if owned.count() >= settings.MAX_ORGANIZATIONS_PER_USER:
            raise Refused(f"You own {settings.MAX_ORGANIZATIONS_PER_USER} organizations, the most a person may have.")
        return _create(name, owner, by=by, is_personal=False)


def create_personal_organization(user: User, *, by: Actor) -> Organization:
    """Create a person's own organization at sign-up."""
    with transaction.atomic():
        name = normal_name(user.name or user.email.partition("@")[0])[:MAX_NAME_CHARS] or "My organization"
        return _create(name, user, by=by, is_personal=True)


def rename_organization(organization: Organization, name: str, *, by: Actor) -> ChangedOrganization:
    """Rename the organization; raise NotAllowed, or Invalid for the name."""
    name = checked_name(name)
    with change() as pending:
        organization = lock_organization(organization)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        now = timezone.now()
        before, after = {"name": organization.name}, {"name": name}
        organization.name = name
        organization.save(update_fields=["name"])
        record_of(AuditAction.ORGANIZATION_RENAMED, organization, by, now, before=before, after=after)
        pending.invalidates(organization_name(organization))
    return ChangedOrganization(organization, pending.spread)


def note_organization(
    organization: Organization,
    *,
    external_id: str | None = None,
    operator_metadata: dict[str, object] | None = None,
    by: Actor,
) -> ChangedOrganization:
    """Set the operator's id and metadata for the organization, which responses to backends carry. None keeps a value.

    An empty ``external_id`` removes it. Raises NotAllowed, or Invalid if another organization has the id.
    """
    require_operator(by)
    wanted: dict[str, object] = {}
    if external_id is not None:
        wanted["external_id"] = _valid("external_id", partial(clean_external_id, external_id))
    if operator_metadata is not None:
        wanted["operator_metadata"] = _valid("operator_metadata", partial(clean_metadata, operator_metadata))
    with change() as pending:
        organization = lock_organization(organization)
        before = {name: getattr(organization, name) for name in wanted if getattr(organization, name) != wanted[name]}
        after = {name: wanted[name] for name in before}
        if after:
            _save(organization, after)
            record_of(AuditAction.ORGANIZATION_NOTED, organization, by, timezone.now(), before=before, after=after)
        pending.invalidates(organization_name(organization))
    return ChangedOrganization(organization, pending.spread)


def suspend_organization(organization: Organization, *, by: Actor, reason: str = "") -> ChangedOrganization:
    """Refuse every credential of the organization until it is resumed; a repeat only tells the caches again.

    ``reason`` is written into the audit event, for the operator only.
    """
    return _set_suspended(organization, suspended=True, by=by, reason=reason)


def resume_organization(organization: Organization, *, by: Actor) -> ChangedOrganization:
    """Accept the credentials of a suspended organization again; those of a closed one stay refused."""
    return _set_suspended(organization, suspended=False, by=by)


def close_organization(organization: Organization, *, by: Actor, reason: str = "") -> ChangedOrganization:
    """Refuse every credential of the organization permanently, and hide it from everybody but the operator.

    A single row is changed, so all credentials end at the same instant. A repeat only tells the caches again.
    ``reason`` is written into the audit event, for the operator only.
    """
    recipients: list[str] = []
    with change() as pending:
        organization = lock_organization(organization)
        if organization.closed_at is None:
            require(by, organization, Action.CLOSE_ORGANIZATION)
            now = timezone.now()
            organization.closed_at = now
            organization.save(update_fields=["closed_at"])
            after = {INTERNAL_REASON: reason} if reason else None
            record_of(AuditAction.ORGANIZATION_CLOSED, organization, by, now, after=after)
            recipients = list(organization.members.filter(is_active=True).values_list("email", flat=True))
        pending.invalidates(organization_name(organization))
    messages.send(messages.organization_closed(organization), recipients)
    return ChangedOrganization(organization, pending.spread)


def _save(organization: Organization, columns: Mapping[str, object]) -> None:
    for name, value in columns.items():
        setattr(organization, name, value)
    try:
        with transaction.atomic():
            organization.save(update_fields=list(columns))
    except IntegrityError:  # the only constraint that validated values can break
        raise Invalid("external_id", "Another organization has this external id.") from None


def _valid(field: str, clean: Callable[[], object]) -> object:
    try:
        return clean()
    except ValueError as exc:
        raise Invalid(field, str(exc)) from None


def _create(name: str, owner: User, *, by: Actor, is_personal: bool) -> Organization:
    organization = Organization.objects.create(name=name, is_personal=is_personal)
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    record_of(AuditAction.ORGANIZATION_CREATED, organization, by, timezone.now())
    return organization


def _set_suspended(organization: Organization, *, suspended: bool, by: Actor, reason: str = "") -> ChangedOrganization:
    require_operator(by)
    with change() as pending:
        organization = lock_organization(organization)
        now = timezone.now()
        if (organization.suspended_at is not None) != suspended:
            organization.suspended_at = now if suspended else None
            organization.save(update_fields=["suspended_at"])
            action = AuditAction.ORGANIZATION_SUSPENDED if suspended else AuditAction.ORGANIZATION_RESUMED
            record_of(action, organization, by, now, after={INTERNAL_REASON: reason} if reason else None)
        pending.invalidates(organization_name(organization))
    return ChangedOrganization(organization, pending.spread)
