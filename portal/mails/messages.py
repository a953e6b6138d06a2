"""Mails about people and organizations: the fact first, at most one button, only URLs of ``PUBLIC_URL``, no secrets.

The one exception is the link of an invitation, whose one-time token is the purpose of the mail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from portal.models import Invitation, Organization, User
from portal.permissions import MEANINGS, Role
from portal.preferences import MailKind
from portal.ui.times import day_words, exact_words


@dataclass(frozen=True)
class Mail:
    """One mail without its recipient; ``path`` is the target of its button, if there is one."""

    subject: str
    lines: Sequence[str]
    button: str = ""
    path: str = field(default="", repr=False)

    def rendered(self, kind: str) -> str:
        """Return the mail as ``html`` or ``txt``."""
        context = {
            "subject": self.subject,
            "lines": self.lines,
            "button_label": self.button,
            "button_url": settings.PUBLIC_URL + self.path if self.path else "",
            "public_url": settings.PUBLIC_URL,
        }
        return render_to_string(f"emails/letter.{kind}", context)


def send(mail: Mail, recipients: Iterable[str], *, kind: MailKind | None = None) -> None:
    """Send the mail to each recipient separately, so that nobody sees the others.

    A slow mail server does not delay the caller. With a ``kind``, people who opted out of that kind get no mail;
    without one, everybody gets it.
    """
    addresses = list(recipients)
    people = User.objects.filter(email__in=addresses) if kind else []
    without = {person.email for person in people if kind in person.unwanted_mails}
    for recipient in addresses:
        if recipient in without:
            continue
        message = EmailMultiAlternatives(mail.subject, mail.rendered("txt"), to=[recipient])
        message.attach_alternative(mail.rendered("html"), "text/html")
        message.send()


def zone_of(email: str) -> tzinfo:
    """Return the time zone that the person with this address has chosen; UTC for everybody else."""
    person = User.objects.filter(email=email).first()
    return person.zone if person else UTC


def invitation(invited: Invitation, token: str) -> Mail:
    """Write to the invited address, whether or not it has an account."""
    inviter = invited.invited_by.name_and_address if invited.invited_by else "Somebody"
    role = Role(invited.role)
    end = exact_words(invited.expires_at, zone_of(invited.email))
    return Mail(
        f"{inviter} invites you to {invited.organization.name}",
        [
            f"{inviter} invites you to work in {invited.organization.name} as {role}. {MEANINGS[role]}",
            f"The invitation is for {invited.email}, works once, and expires on {end}.",
            "If you do not know the sender, ignore this mail.",
        ],
        "View the invitation",
        reverse("team:invited_link", args=[token]),
    )


def reminder(invited: Invitation) -> Mail:
    """Remind the invited address before its invitation expires.

    The mail has no link: only the digest of the link's token is stored.
    """
    inviter = invited.invited_by.name_and_address if invited.invited_by else "Somebody"
    zone = zone_of(invited.email)
    return Mail(
        f"Your invitation to {invited.organization.name} expires on {day_words(invited.expires_at, zone)}",
        [
            f"{inviter} invited you to work in {invited.organization.name} as {Role(invited.role)}.",
            f"It expires on {exact_words(invited.expires_at, zone)}. "
            f"The link is in our mail from {exact_words(invited.sent_at, zone)}.",
            f"If you cannot find that mail, ask {inviter} to send it again. "
            "If you do not know the sender, ignore this mail.",
        ],
    )


def invitation_accepted(organization: Organization, user: User, role: Role) -> Mail:
    """Tell the inviter that the invitation was accepted."""
    return Mail(
        f"{user.name_and_address} joined {organization.name}",
        [f"{user.name_and_address} accepted your invitation and is now a member of {organization.name}, as {role}."],
        "View the team",
        reverse("team:members"),
    )


def role_changed(organization: Organization, role: Role) -> Mail:
    """Tell the member about the new role."""
    return Mail(
        f"Your role in {organization.name} is now {role}",
        [f"Your role in {organization.name} was changed to {role}. {MEANINGS[role]}"],
        "Open Latchkey",
        reverse("keys:overview"),
    )


def member_removed(organization: Organization) -> Mail:
    """Tell the person who was removed."""
    return Mail(
        f"You are no longer a member of {organization.name}",
        [
            f"You can no longer open {organization.name}. Your keys and OAuth clients there now have another owner "
            "or are revoked.",
            "If you did not expect this, ask an administrator of the organization.",
        ],
        "Open Latchkey",
        reverse("keys:overview"),
    )


def policies_changed(organization: Organization, by: str) -> Mail:
    """Tell the people who may change the policies."""
    return Mail(
        f"{by} changed the policies of {organization.name}",
        [
            f"{by} changed the rules of {organization.name} for its members and their keys.",
            "Existing keys that break the new rules still work; the policies page lists them.",
        ],
        "View the policies",
        reverse("team:policies"),
    )


def organization_closed(organization: Organization) -> Mail:
    """Tell everybody who was a member."""
    return Mail(
        f"{organization.name} is closed",
        [f"{organization.name} was closed. Requests with any of its credentials are refused permanently."],
        "Open Latchkey",
        reverse("keys:overview"),
    )
