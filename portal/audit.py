"""Write down who did what, in the transaction that does it. Nothing here may hold a secret."""

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
    """What stands behind a change."""

    USER = "user"
    STAFF = "staff"
    CREDENTIAL = "credential"
    COMMAND = "command"
    SYSTEM = "system"


class NotAllowed(Exception):
    """The actor's role does not allow the action; edges answer 403."""

    def __init__(self, action: Action, role: Role | None) -> None:
        super().__init__(f"{role or 'no role'} may not {action}")
        self.action = action
        self.role = role


class SecondFactorMissing(NotAllowed):
    """The organization asks its members for a second factor, and the actor has none."""


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where; every service takes one."""

    kind: ActorKind
    user: User | None = None
    address: str | None = None
    request_id: str = ""
    credential_id: str = ""

    @property
    def public_id(self) -> str:
        """The id of the person or credential, empty for the rest."""
        return self.user.public_id if self.user else self.credential_id

    @property
    def label(self) -> str:
        """The person's address, the credential's id, else the kind."""
        return self.user.email if self.user else self.credential_id or self.kind.value


SYSTEM = Actor(ActorKind.SYSTEM)
COMMAND = Actor(ActorKind.COMMAND)


def require(actor: Actor, organization: Organization, action: Action) -> None:
    """Raise NotAllowed unless the actor's role in the organization allows the action; in a closed one, none does.

    So does whoever lacks the second factor that it asks for: that is SecondFactorMissing.

    Staff, credentials, commands and the system were let in at their own doors (admin permissions, scopes, a shell, a
    schedule).
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
    """Whether the organization asks for a second factor by now, and the person has none."""
    return organization.policies.asks_second_factor(now) and not has_second_factor(user)


def has_second_factor(user: User | None) -> bool:
    """Whether signing in as this person takes more than a password; recovery codes alone are none."""
    factors = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return bool(factors.exists())


def role_of(actor: Actor, organization: Organization) -> Role | None:
    """The role in which a person acts in the organization; None for strangers, and in a closed one for everybody."""
    membership = membership_of(actor, organization)
    return Role(membership.role) if membership else None


def membership_of(actor: Actor, organization: Organization) -> Membership | None:
    """What a role rests on, with the organization as it is now; nothing does of a person who is shut out."""
    memberships = Membership.objects.filter(user=actor.user, user__is_active=True, organization__closed_at=None)
    return memberships.filter(organization=organization).select_related("organization").first()


def require_operator(actor: Actor) -> None:
    """Raise NotAllowed for anyone but staff, commands and the system: APIs and suspensions are the operator's."""
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
    """Append one event to the open transaction; ``before`` and ``after`` hold JSON values of what changed."""
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
    """Something of an organization's that has a name."""

    public_id: str
    name: str

    @property
    def organization(self) -> Organization:
        """Whose it is."""


def record_of(
    action: AuditAction,
    subject: Owned | Organization,
    by: Actor,
    at: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Append an event about an organization, or about something of its own, as ``record`` does."""
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
    """Append an event about a person, now: about their account, or their part in one organization."""
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
