"""Whoever leaves an organization leaves their keys behind: handed to somebody else, or revoked, in the same step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from keys.models import ApiKey, RevokeReason
from keys.services.common import key_names, revoke_locked
from portal import letters
from portal.audit import Actor, record_of, require
from portal.audit_actions import AuditAction
from portal.models import Membership, Organization, ServiceAccount, User
from portal.outbox import Propagation, change
from portal.permissions import Action, Role, can
from portal.refusals import Refused
from portal.services.members import lock_member, take_out
from portal.services.organizations import lock_organization

Heir = User | ServiceAccount


@dataclass(frozen=True)
class Departure:
    """How many keys went on with another owner or were revoked, and how far that has spread."""

    keys: int
    propagation: Propagation


def keys_left_by(owner: Heir, organization: Organization) -> QuerySet[ApiKey]:
    """The keys that somebody has to take over: those of the owner that were not revoked."""
    keys = ApiKey.objects.filter(organization=organization, revoked_at=None)
    return keys.filter(owner=owner) if isinstance(owner, User) else keys.filter(service_account=owner)


def remove_member(membership: Membership, *, heir: Heir | None, by: Actor) -> Departure:
    """End a membership; its person's keys go on under the heir or, without one, are revoked.

    Members may leave by themselves; removing others takes an admin, and removing owners an owner.
    Raises NotAllowed, or Refused for the last owner and for an heir who cannot own keys here.
    """
    with change() as pending:
        membership = lock_member(membership)
        keys = _locked(keys_left_by(membership.user, membership.organization))
        take_out(membership, by=by)
        _hand_over(keys, membership.organization, heir, by, timezone.now())
        pending.touch(*_names(keys))
    if by.user != membership.user:
        letters.send(letters.member_removed(membership.organization), [membership.user.email])
    return Departure(len(keys), pending.spread)


def remove_service_account(account: ServiceAccount, *, heir: Heir | None, by: Actor) -> Departure:
    """End a service account; its keys go on under the heir or, without one, are revoked. A repeat is refused."""
    with change() as pending:
        organization = lock_organization(account.organization)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        now = timezone.now()
        keys = _locked(keys_left_by(account, organization))
        if not ServiceAccount.objects.filter(pk=account.pk, removed_at=None).update(removed_at=now):
            raise Refused("This service account is removed already.")
        record_of(AuditAction.SERVICE_ACCOUNT_REMOVED, account, by, now)
        _hand_over(keys, organization, heir, by, now)
        pending.touch(*_names(keys))
    return Departure(len(keys), pending.spread)


def _locked(keys: QuerySet[ApiKey]) -> list[ApiKey]:
    # Counts refer to these keys in an order of their own: a full lock would have the two wait for each other.
    locked = keys.select_for_update(of=("self",), no_key=True).prefetch_related("secrets").order_by("pk")
    return list(locked.select_related("organization", "owner", "service_account"))


def _names(keys: Sequence[ApiKey]) -> list[str]:
    return [name for key in keys for name in key_names(key)]


def _hand_over(keys: Sequence[ApiKey], organization: Organization, heir: Heir | None, by: Actor, now: datetime) -> None:
    if heir is None:
        for key in keys:
            revoke_locked(key, RevokeReason.OTHER, by, now)
        return
    if not _may_own(heir, organization):
        raise Refused("Choose a member who may manage keys, or a service account.")
    for key in keys:
        before = {"owner": key.owner_name}
        key.owner = heir if isinstance(heir, User) else None
        key.service_account = heir if isinstance(heir, ServiceAccount) else None
        key.save(update_fields=["owner", "service_account"])
        record_of(AuditAction.KEY_REASSIGNED, key, by, now, before=before, after={"owner": key.owner_name})


def _may_own(heir: Heir, organization: Organization) -> bool:
    if isinstance(heir, ServiceAccount):
        return ServiceAccount.objects.filter(pk=heir.pk, organization=organization, removed_at=None).exists()
    membership = Membership.objects.filter(organization=organization, user=heir).first()  # who leaves has none by now
    return membership is not None and can(Role(membership.role), Action.MANAGE_KEYS)
