"""Remove members and service accounts; their credentials are handed over or revoked in the same transaction."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Count, QuerySet
from django.utils import timezone

from keys.models import Credential, RevokeReason
from keys.services.common import revoke_locked
from keys.services.credential_type import CredentialType, credential_types
from portal.audit import Actor, record_of, require
from portal.audit_actions import AuditAction
from portal.mails import messages
from portal.models import Membership, Organization, ServiceAccount, User
from portal.outbox import Change, Propagation, change
from portal.permissions import Action, Role, can
from portal.refusals import Refused
from portal.services.members import lock_member, take_out
from portal.services.organizations import lock_organization

CredentialOwner = User | ServiceAccount
Of = TypeVar("Of")


@dataclass(frozen=True)
class Departure:
    """How many credentials of each type were handed over or revoked, with the propagation of the change."""

    counts: dict[type[Credential], int]
    propagation: Propagation


def credentials_owned_by(owner: CredentialOwner, organization: Organization) -> list[QuerySet[Any]]:
    """Return the owner's unrevoked credentials, which somebody has to take over; one query set per type."""
    column = "owner" if isinstance(owner, User) else "service_account"
    ours = {"organization": organization, "revoked_at": None, column: owner}
    return [credential_type.model._default_manager.filter(**ours) for credential_type in credential_types()]  # noqa: SLF001  # Django documents it as public


def left_counts(user: User) -> dict[int, dict[type[Credential], int]]:
    """Count the credentials of each type that the person would leave, by the organization's pk; one query per type."""
    counts: dict[int, dict[type[Credential], int]] = defaultdict(dict)
    for credential_type in credential_types():
        manager: Any = credential_type.model._default_manager  # noqa: SLF001  # Django documents it as public
        rows = manager.filter(owner=user, revoked_at=None).order_by()
        for organization_id, count in rows.values_list("organization").annotate(n=Count("pk")):
            counts[organization_id][credential_type.model] = count
    return counts


def by_organization(pairs: Iterable[tuple[int, Of]]) -> dict[int, list[Of]]:
    """Group the values by the organization's pk that comes before each, in their order."""
    found: dict[int, list[Of]] = defaultdict(list)
    for organization_id, value in pairs:
        found[organization_id].append(value)
    return found


def remove_member(membership: Membership, *, new_owner: CredentialOwner | None, by: Actor) -> Departure:
    """End a membership. The person's credentials go to the new owner; without one they are revoked.

    Members may leave by themselves. Removing others takes an admin, and removing an owner takes an owner.
    Raises NotAllowed; Refused for the last owner, and for a new owner who cannot own credentials here.
    """
    with change() as pending:
        membership = lock_member(membership)
        left = _locked(membership.user, membership.organization)
        take_out(membership, by=by)
        _hand_over(left, membership.organization, new_owner, by, pending)
    if by.user != membership.user:
        messages.send(messages.member_removed(membership.organization), [membership.user.email])
    return Departure(_counts(left), pending.spread)


def remove_service_account(account: ServiceAccount, *, new_owner: CredentialOwner | None, by: Actor) -> Departure:
    """End a service account. Its credentials go to the new owner; without one they are revoked.

    Raises NotAllowed; Refused if it is removed already.
    """
    with change() as pending:
        organization = lock_organization(account.organization)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        now = timezone.now()
        left = _locked(account, organization)
        if not ServiceAccount.objects.filter(pk=account.pk, removed_at=None).update(removed_at=now):
            raise Refused("This service account is removed already.")
        record_of(AuditAction.SERVICE_ACCOUNT_REMOVED, account, by, now)
        _hand_over(left, organization, new_owner, by, pending)
    return Departure(_counts(left), pending.spread)


Left = list[tuple[CredentialType, list[Credential]]]


def _locked(owner: CredentialOwner, organization: Organization) -> Left:
    # ``no_key``: usage counts refer to these rows and lock them in their own order, so a full lock could deadlock.
    found = [
        rows.select_for_update(of=("self",), no_key=True).order_by("pk")
        for rows in credentials_owned_by(owner, organization)
    ]
    related = ("organization", "owner", "service_account")
    return [
        (credential_type, list(rows.select_related(*related).prefetch_related("secrets")))
        for credential_type, rows in zip(credential_types(), found, strict=True)
    ]


def _counts(left: Left) -> dict[type[Credential], int]:
    return {credential_type.model: len(rows) for credential_type, rows in left}


def _hand_over(
    left: Left, organization: Organization, new_owner: CredentialOwner | None, by: Actor, pending: Change
) -> None:
    if new_owner is not None and not _may_own(new_owner, organization):
        raise Refused("Choose a member who may manage keys, or a service account.")
    now = timezone.now()
    for credential_type, rows in left:
        for row in rows:
            if new_owner is None:
                revoke_locked(row, RevokeReason.OTHER, by, now)
            else:
                _reassign(credential_type, row, new_owner, by, now)
            pending.invalidates(*credential_type.snapshots(row))


def _reassign(credential_type: CredentialType, row: Any, new_owner: CredentialOwner, by: Actor, now: datetime) -> None:
    before = {"owner": row.owner_name}
    row.owner = new_owner if isinstance(new_owner, User) else None
    row.service_account = new_owner if isinstance(new_owner, ServiceAccount) else None
    row.save(update_fields=["owner", "service_account"])
    record_of(credential_type.action("reassigned"), row, by, now, before=before, after={"owner": row.owner_name})


def _may_own(new_owner: CredentialOwner, organization: Organization) -> bool:
    if isinstance(new_owner, ServiceAccount):
        return ServiceAccount.objects.filter(pk=new_owner.pk, organization=organization, removed_at=None).exists()
    # None for a leaving member
    membership = Membership.objects.filter(organization=organization, user=new_owner).first()
    return membership is not None and can(Role(membership.role), Action.MANAGE_KEYS)
