"""Mail owners about the end of their keys: one mail per notice, without any secret."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from keys.models import KeySecret, Notice
from portal.models import Membership, Organization, User
from portal.permissions import Role
from portal.preferences import MailKind
from portal.ui.times import day_words, exact_words

BATCH = 100
TELL_WITHIN = timedelta(days=3)
TEMPLATES = {
    Notice.Kind.EXPIRES_IN_30_DAYS: "emails/key_expires",
    Notice.Kind.EXPIRES_IN_7_DAYS: "emails/key_expires",
    Notice.Kind.EXPIRES_IN_1_DAY: "emails/key_expires",
    Notice.Kind.EXPIRED: "emails/key_expired",
    Notice.Kind.SECRET_ENDED: "emails/key_secret_ended",
}
PAGES = {
    "emails/key_expires": "edit",  # a roll would leave the key's end as it is
    "emails/key_expired": "detail",
    "emails/key_secret_ended": "roll",
}


def send_due(*, now: datetime) -> int:
    """Mail up to a batch of unsent notices; returns their number.

    Notices older than three days are not sent any more.
    """
    sent = 0
    due = Notice.objects.filter(sent_at=None, created_at__gt=now - TELL_WITHIN).order_by("pk")
    for notice in due.select_related("key__organization", "key__api", "key__owner")[:BATCH]:
        with transaction.atomic():  # claimed and queued in one transaction: two sweeps at once send one mail
            if Notice.objects.filter(pk=notice.pk, sent_at=None).update(sent_at=now):
                _send(notice)
                sent += 1
    return sent


def _send(notice: Notice) -> None:
    if not _is_moot(notice):
        for recipient in recipients_of(notice.key.organization, notice.key.owner):
            _mail(notice, recipient).send()


def recipients_of(organization: Organization, owner: User | None) -> list[User]:
    """Return the people to mail: the credential's owner if still a member, else the organization's owners.

    People who have unsubscribed from these mails are left out.
    """
    members = Membership.objects.filter(organization=organization, user__is_active=True)
    chosen = members.filter(user=owner) if owner else members.none()
    chosen = chosen or members.filter(role=Role.OWNER)
    people = [membership.user for membership in chosen.select_related("user")]
    return [person for person in people if MailKind.KEYS not in person.unwanted_mails]


def _is_moot(notice: Notice) -> bool:
    """Tell whether the key was revoked, its organization closed, or its end moved since the notice was written."""
    key = notice.key
    tells_of_expiry = notice.kind != Notice.Kind.SECRET_ENDED
    moved = tells_of_expiry and (key.expires_at is None or key.expires_at.isoformat() != notice.about)
    return key.revoked_at is not None or key.organization.closed_at is not None or moved


def _mail(notice: Notice, recipient: User) -> EmailMultiAlternatives:
    key, template = notice.key, TEMPLATES[Notice.Kind(notice.kind)]
    secret = KeySecret.objects.filter(public_id=notice.about).first()

    def words(at: datetime | None, otherwise: str) -> str:
        return exact_words(at, recipient.zone) if at else otherwise

    context = {
        "key": key,
        "secret": secret,
        "expires": words(key.expires_at, ""),
        "ended": words(secret.ends_at if secret else None, ""),
        "last_used": words(key.last_used_at, "never"),
        "secret_last_used": words(secret.last_used_at if secret else None, "never"),
        "button_url": settings.PUBLIC_URL + reverse(f"keys:{PAGES[template]}", args=[key.public_id]),
        "public_url": settings.PUBLIC_URL,
    }
    mail = EmailMultiAlternatives(
        _subject(notice, recipient),
        render_to_string(f"{template}.txt", context),
        to=[recipient.email],
    )
    mail.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    return mail


def _subject(notice: Notice, recipient: User) -> str:
    """Write the subject, the fact first. Names contain no line breaks (``keys.rules.field_rules``)."""
    key = notice.key
    if notice.kind == Notice.Kind.SECRET_ENDED:
        return f"An old secret of {key.name} has ended"
    if notice.kind == Notice.Kind.EXPIRED or key.expires_at is None:
        return f"{key.name} has expired"
    return f"{key.name} expires on {day_words(key.expires_at, recipient.zone)}"
