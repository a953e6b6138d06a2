"""Record who did what, in the transaction that makes the change, and check roles. No event may hold a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Membership, Organization, User
from portal.permissions import Action, Role, can


class ActorKind(StrEnum):
    """The kind of actor behind a change."""

    USER = "user"
    STAFF = "staff"
    CREDENTIAL = "credential"
    COMMAND = "command"
    SYSTEM = "system"


class NotAllowed(Exception):
    """The actor's role does not allow the action; the edge responds 403."""

    def __init__(self, action: Action, role: Role | None) -> None:
        super().__init__(f"{role or 'no role'} may not {action}")
        self.action = action
        self.role = role


class SecondFactorMissing(NotAllowed):
    """The organization requires a second factor, and the actor has none."""


@dataclass(frozen=True)
class Actor:
    """The person, credential, command or system that acts, and the client's address. Every service takes one."""

    kind: ActorKind
    user: User | None = None
    address: str | None = None
    request_id: str = ""
    credential_id: str = ""

    @property
    def public_id(self) -> str:
        """Return the id of the person or credential; empty for other actors."""
        return self.user.public_id if self.user else self.credential_id

    @property
    def name(self) -> str:
        """Return the label; for a person, the name before the address."""
        return self.user.name_and_address if self.user else self.label

    @property
    def label(self) -> str:
        """Return the person's address, the credential's id, or the kind of actor."""
        return self.user.email if self.user else self.credential_id or self.kind.value


SYSTEM = Actor(ActorKind.SYSTEM)
COMMAND = Actor(ActorKind.COMMAND)


def require(actor: Actor, organization: Organization, action: Action) -> None:
    """Raise NotAllowed unless the actor's role in the organization allows the action; a closed one allows nothing.

    Raises SecondFactorMissing, a NotAllowed, if the organization requires a second factor and the person has none. Only
    people are checked here. Other actors were authorized before: staff by admin permissions, credentials by scopes,
    commands by shell access, the system by its schedule.
    """
    if actor.kind is not ActorKind.USER:
        return
    membership = membership_of(actor, organization)
    role = Role(membership.role) if membership else None
    if membership is None or role is None or not can(role, action):
        raise NotAllowed(action, role)
    if lacks_second_factor(actor.user, membership.organization, now=timezone.now()):
        raise SecondFactorMissing(action, role)


def lacks_second_factor(user: User | None, organization: Organization, *, now: datetime) -> bool:
    """Return True if the organization requires a second factor by now and the person has none."""
    return organization.policies.asks_second_factor(now) and not has_second_factor(user)


def has_second_factor(user: User | None) -> bool:
    """Return True if the person has a second factor; recovery codes alone do not count."""
    factors = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return bool(factors.exists())


def role_of(actor: Actor, organization: Organization) -> Role | None:
    """Return the person's role in the organization; None without a membership, and for everybody if it is closed."""
    membership = membership_of(actor, organization)
    return Role(membership.role) if membership else None


def membership_of(actor: Actor, organization: Organization) -> Membership | None:
    """Return the person's membership, with the organization's current row.

    Return None without a membership, for a deactivated person, and in a closed organization.
    """
    memberships = Membership.objects.filter(user=actor.user, user__is_active=True, organization__closed_at=None)
    return memberships.filter(organization=organization).select_related("organization").first()


def require_operator(actor: Actor) -> None:
    """Raise NotAllowed for people and credentials: only the operator manages APIs and suspensions."""
    if actor.kind in {ActorKind.USER, ActorKind.CREDENTIAL}:
        raise NotAllowed(Action.MANAGE_ORGANIZATION, None)


def record(
    action: AuditAction,
    *,
    actor: Actor,
    at: datetime,
    organization_id: str = "",
    subject_id: str = "",
    subject_label: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEvent:
    """Append one event to the open transaction; ``before`` and ``after`` hold the changed values as JSON.

    Raises RuntimeError outside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an audit event is written in the transaction of what it tells")
    return AuditEvent.objects.create(
        action=action,
        at=at,
        organization_id=organization_id,
        actor_kind=actor.kind,
        actor_id=actor.public_id,
        actor_label=actor.label,
        subject_id=subject_id,
        subject_label=subject_label,
        address=actor.address,
        request_id=actor.request_id,
        before=dict(before or {}),
        after=dict(after or {}),
    )


class Owned(Protocol):
    """A named object that belongs to an organization."""

    public_id: str
    name: str

    @property
    def organization(self) -> Organization:
        """Return the organization that owns the object."""


def record_of(
    action: AuditAction,
    subject: Owned | Organization,
    by: Actor,
    at: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Append an event about an organization, or about an object that it owns, as ``record`` does."""
    organization = subject if isinstance(subject, Organization) else subject.organization
    record(
        action,
        actor=by,
        at=at,
        organization_id=organization.public_id,
        subject_id=subject.public_id,
        subject_label=subject.name,
        before=before,
        after=after,
    )


def record_of_person(
    action: AuditAction,
    user: User,
    by: Actor,
    *,
    within: Organization | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Append an event about a person, at the current time: about their account, or their role in one organization."""
    record(
        action,
        actor=by,
        at=timezone.now(),
        organization_id=within.public_id if within else "",
        subject_id=user.public_id,
        subject_label=user.email,
        before=before,
        after=after,
    )
