"""Operations on invitations: offer membership to the reader of a mailbox, who can accept it once."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from portal import addresses
from portal.audit import SYSTEM, Actor, record, record_of_person, require
from portal.audit_actions import AuditAction
from portal.mails import messages
from portal.models import AuditEvent, Invitation, Membership, Organization, User
from portal.permissions import Action, Role, may_grant
from portal.preferences import MailKind
from portal.refusals import Refused
from portal.services.members import require_grant
from portal.services.organizations import lock_organization

LIFETIME = timedelta(days=7)
REMIND_AHEAD = timedelta(days=2)
MAX_AT_ONCE = 20
MAX_TO_ONE_A_DAY = 5
SENT = (AuditAction.INVITATION_SENT, AuditAction.INVITATION_RESENT)


def invite(organization: Organization, emails: Sequence[str], role: Role, *, by: Actor) -> list[Invitation]:
    """Mail a link to each address; an open invitation gets a new link, and its old link stops working.

    ``emails`` are lower-case and validated by the form. Raises NotAllowed, also if an open invitation has a role that
    the actor could not give, or Refused (already a member, limits). If it raises, no mail is sent.
    """
    with transaction.atomic(durable=True):
        organization = lock_organization(organization)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        open_ones = organization.invitations.filter(email__in=emails, ended_at=None)
        for given in {role, *map(Role, open_ones.values_list("role", flat=True))}:
            require_grant(by, organization, given)
        now = timezone.now()
        _refuse_members(organization, emails)
        _refuse_above_caps(organization, emails, by, now)
        made = [_write(organization, email, role, by, now) for email in dict.fromkeys(emails)]
        return _mailed(made)


def resend_invitation(invitation: Invitation, *, by: Actor) -> Invitation:
    """Mail a new link that works for a week; the old link stops working.

    Raises NotAllowed, or Refused if the invitation has ended or a limit is reached.
    """
    with transaction.atomic(durable=True):
        invitation = lock_invitation(invitation)
        organization, role = invitation.organization, Role(invitation.role)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        require_grant(by, organization, role)
        now = timezone.now()
        _refuse_ended(invitation)
        _refuse_above_caps(organization, [invitation.email], by, now, is_new=False)
        made = [_write(organization, invitation.email, role, by, now)]
        return _mailed(made)[0]


def revoke_invitation(invitation: Invitation, *, by: Actor) -> Invitation:
    """Revoke an invitation; an ended one is unchanged.

    Raises NotAllowed, also for a role that the actor could not give.
    """
    with transaction.atomic(durable=True):
        invitation = lock_invitation(invitation)
        require(by, invitation.organization, Action.MANAGE_ORGANIZATION)
        require_grant(by, invitation.organization, Role(invitation.role))
        if invitation.ended_at is None:
            _end(invitation, Invitation.Outcome.REVOKED)
            _record(AuditAction.INVITATION_REVOKED, invitation, by)
    return invitation


def accept_invitation(invitation: Invitation, *, user: User, by: Actor) -> Membership:
    """Make the person a member. A repeated or concurrent call returns the membership that the first call created.

    Raises Refused if the invitation is for another address, has ended or expired, or if its sender could no longer give
    the role. A person who is a member already keeps their role.
    """
    with transaction.atomic(durable=True):
        invitation = lock_invitation(invitation)
        organization, now = invitation.organization, timezone.now()
        present = Membership.objects.filter(organization=organization, user=user).first()
        if present is not None and invitation.outcome == Invitation.Outcome.ACCEPTED:
            return present
        refuse_unless_open(invitation, now=now)
        if not is_for(invitation, user):
            raise Refused("This invitation is for another e-mail address.")
        _end(invitation, Invitation.Outcome.ACCEPTED)
        if present is not None:
            return present
        membership = Membership.objects.create(organization=organization, user=user, role=invitation.role)
        record_of_person(AuditAction.MEMBER_JOINED, user, by, within=organization, after={"role": invitation.role})
    if invitation.invited_by is not None:
        mail = messages.invitation_accepted(organization, user, Role(invitation.role))
        messages.send(mail, [invitation.invited_by.email], kind=MailKind.TEAM)
    return membership


def decline_invitation(invitation: Invitation, *, by: Actor) -> Invitation:
    """End an invitation unused; anybody with the link may. One that has ended is unchanged."""
    with transaction.atomic(durable=True):
        invitation = lock_invitation(invitation)
        if invitation.ended_at is None:
            _end(invitation, Invitation.Outcome.DECLINED)
            _record(AuditAction.INVITATION_DECLINED, invitation, by)
    return invitation


def remind_invited(*, now: datetime, limit: int) -> int:
    """Remind up to ``limit`` people whose invitation ends within two days, each once; return how many were handled.

    Only the digest of a link's token is stored, so the reminder names the mail that has the link. A new link would
    invalidate the old one before anybody knows that the new mail arrives. No reminder is sent if the sender could no
    longer give the role.
    """
    with transaction.atomic(durable=True):
        open_ones = Invitation.objects.filter(ended_at=None, reminded_at=None, organization__closed_at=None)
        due = open_ones.filter(expires_at__gt=now, expires_at__lte=now + REMIND_AHEAD).order_by("expires_at")
        found = due.select_for_update(of=("self",), skip_locked=True).select_related("organization", "invited_by")
        invitations = list(found[:limit])
        reminded = [each for each in invitations if _still_stands(each)]
        for invitation in reminded:
            _record(AuditAction.INVITATION_REMINDED, invitation, SYSTEM)
        Invitation.objects.filter(pk__in=[each.pk for each in invitations]).update(reminded_at=now)
        for invitation in reminded:
            messages.send(messages.reminder(invitation), [invitation.email])
    return len(invitations)


def find_by_token(token: str) -> Invitation | None:
    """Return the invitation whose current link has this token, in any state; None if there is none."""
    found = Invitation.objects.select_related("organization", "invited_by")
    return found.filter(digest=_digest(token)).first()


def is_for(invitation: Invitation, user: User) -> bool:
    """Return True if the person has verified the invited address, in any spelling of its domain."""
    spelled = addresses.spellings(invitation.email)
    return bool(EmailAddress.objects.filter(user=user, email__in=spelled, verified=True).exists())


def refuse_unless_open(invitation: Invitation, *, now: datetime) -> None:
    """Raise Refused, with the reason, if the invitation can no longer be accepted."""
    _refuse_ended(invitation)
    if invitation.expires_at <= now:
        raise Refused("This invitation has expired. Ask for a new one.")
    if not _still_stands(invitation):
        raise Refused("Whoever invited you can no longer do so. Ask for a new invitation.")


def lock_invitation(invitation: Invitation) -> Invitation:
    """Lock the invitation's organization and return the invitation's current row."""
    lock_organization(invitation.organization)
    return Invitation.objects.select_related("organization", "invited_by").get(pk=invitation.pk)


def _refuse_ended(invitation: Invitation) -> None:
    if invitation.outcome == Invitation.Outcome.ACCEPTED:
        raise Refused("This invitation has been accepted already.")
    if invitation.ended_at is not None or invitation.organization.closed_at is not None:
        raise Refused("This invitation was taken back or declined.")


def _still_stands(invitation: Invitation) -> bool:
    """Return True if the sender could still give the role; a sender who was removed or demoted could not."""
    members = Membership.objects.filter(organization=invitation.organization, user__is_active=True)
    sender = members.filter(user=invitation.invited_by).first() if invitation.invited_by else None
    return sender is not None and may_grant(Role(sender.role), Role(invitation.role))


def _refuse_members(organization: Organization, emails: Sequence[str]) -> None:
    spelled = set().union(*map(addresses.spellings, emails))
    known = set(organization.memberships.filter(user__email__in=spelled).values_list("user__email", flat=True))
    if known:
        raise Refused(f"{', '.join(sorted(known))}: a member already.")


def _refuse_above_caps(
    organization: Organization, emails: Sequence[str], by: Actor, now: datetime, *, is_new: bool = True
) -> None:
    wanted = len(emails)
    ours = Q(organization_id=organization.public_id)
    if by.user is not None:  # a person who closes one organization and opens the next keeps their count
        ours |= Q(actor_id=by.user.public_id)
    today = AuditEvent.objects.filter(ours, action__in=SENT, at__gt=now - timedelta(days=1))
    to_each = Counter(today.filter(subject_label__in=emails).values_list("subject_label", flat=True))
    if often := sorted(email for email, count in to_each.items() if count >= MAX_TO_ONE_A_DAY):
        raise Refused(f"{', '.join(often)}: invited {MAX_TO_ONE_A_DAY} times today. Go on tomorrow.")
    sent = today.count()
    if sent + wanted > settings.MAX_INVITATIONS_PER_DAY:
        most = f"{settings.MAX_INVITATIONS_PER_DAY} invitations a day"
        raise Refused(f"An organization sends {most}, and so does a person. Go on tomorrow.")
    places = organization.memberships.count() + organization.invitations.filter(ended_at=None).count()
    if is_new and places + wanted > settings.MAX_MEMBERS_PER_ORGANIZATION:
        raise Refused(f"An organization has at most {settings.MAX_MEMBERS_PER_ORGANIZATION} members and invitations.")


def _write(organization: Organization, email: str, role: Role, by: Actor, now: datetime) -> tuple[Invitation, str]:
    token = secrets.token_urlsafe(32)
    values = {
        "role": role,
        "digest": _digest(token),
        "invited_by": by.user,
        "sent_at": now,
        "expires_at": now + LIFETIME,
        "reminded_at": None,
    }
    invitation, is_new = Invitation.objects.update_or_create(
        organization=organization, email=email, ended_at=None, defaults=values
    )
    action = AuditAction.INVITATION_SENT if is_new else AuditAction.INVITATION_RESENT
    _record(action, invitation, by, after={"role": role.value})
    return invitation, token


def _mailed(made: Sequence[tuple[Invitation, str]]) -> list[Invitation]:
    """Queue the mails in the transaction that creates the links, so that no link is created without its mail."""
    for invitation, token in made:
        messages.send(messages.invitation(invitation, token), [invitation.email])
    return [invitation for invitation, _ in made]


def _end(invitation: Invitation, outcome: Invitation.Outcome) -> None:
    invitation.ended_at = timezone.now()
    invitation.outcome = outcome
    invitation.save(update_fields=["ended_at", "outcome"])


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()  # of 256 random bits: nothing slower would add anything


def _record(action: AuditAction, invitation: Invitation, by: Actor, after: Mapping[str, object] | None = None) -> None:
    record(
        action,
        actor=by,
        at=timezone.now(),
        organization_id=invitation.organization.public_id,
        subject_id=invitation.public_id,
        subject_label=invitation.email,
        after=after,
    )
