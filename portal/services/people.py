"""Operations on people; each is one transaction with its audit event."""

from collections.abc import Collection

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from portal import addresses
from portal.audit import Actor, record_of_person, require_operator
from portal.audit_actions import AuditAction
from portal.models import MailKind, Session, User
from portal.services.organizations import create_personal_organization


def known_spelling(email: str) -> str:
    """The spelling that an account has of this mailbox; where none has it, the one that a new account gets."""
    known = EmailAddress.objects.filter(email__in=addresses.spellings(email)).order_by("-primary", "pk")
    try:
        return known.values_list("email", flat=True).first() or addresses.normal(email)
    except addresses.BadAddress:
        return email


def sign_up(user: User, *, by: Actor) -> User:
    """Save a new person, whose address is still to be verified, with an organization of their own.

    The password is hashed already: that takes long, and no lock is to wait for it. Raises IntegrityError where the
    address has an account.
    """
    with transaction.atomic(durable=True):
        user.save(force_insert=True)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
        record_of_person(AuditAction.USER_SIGNED_UP, user, by)
        create_personal_organization(user, by=by)
    return user


def set_password(user: User, password: str, *, action: AuditAction, by: Actor, keep: str = "") -> bool:
    """Set a password, and end all sessions but the row ``keep``.

    Unless it was set since ``user`` was read: False then, and nothing is changed.
    """
    hashed = make_password(password)
    with transaction.atomic(durable=True):
        if not User.objects.filter(pk=user.pk, password=user.password).update(password=hashed):
            return False
        _end_sessions(user, keep=keep)
        record_of_person(action, user, by)
    user.password = hashed
    return True


def deactivate_user(user: User, *, by: Actor) -> None:
    """Shut a person out, at once and everywhere; their organizations and keys stay. A repeat changes nothing."""
    require_operator(by)
    with transaction.atomic(durable=True):
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            record_of_person(AuditAction.USER_DEACTIVATED, user, by)
        _end_sessions(user)  # else they would work again with the account


def set_up_superuser(user: User, *, by: Actor) -> None:
    """Record a person who was made superuser, and let them sign in: a shell vouches for the address."""
    require_operator(by)
    with transaction.atomic():
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        access = {"is_staff": user.is_staff, "is_superuser": user.is_superuser}
        record_of_person(AuditAction.USER_CREATED, user, by, after=access)
        create_personal_organization(user, by=by)


def reactivate_user(user: User, *, by: Actor) -> None:
    """Let a deactivated person sign in again."""
    require_operator(by)
    with transaction.atomic(durable=True):
        if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            record_of_person(AuditAction.USER_REACTIVATED, user, by)


def end_other_sessions(user: User, *, keep: str, by: Actor) -> int:
    """Sign the person out everywhere but in the session of that row; returns how many were ended."""
    with transaction.atomic(durable=True):
        ended = _end_sessions(user, keep=keep)
        if ended:
            record_of_person(AuditAction.USER_SESSIONS_ENDED, user, by)
    return ended


def choose_mails(user: User, wanted: Collection[MailKind], *, by: Actor) -> None:
    """Mail the person these of what they may go without, and no others. The same again changes nothing."""
    unwanted = [kind.value for kind in MailKind if kind not in wanted]
    with transaction.atomic(durable=True):
        before = User.objects.select_for_update().get(pk=user.pk).unwanted_mails
        if before == unwanted:
            return
        User.objects.filter(pk=user.pk).update(unwanted_mails=unwanted)
        was, is_now = {"unwanted_mails": before}, {"unwanted_mails": unwanted}
        record_of_person(AuditAction.USER_MAILS_CHOSEN, user, by, before=was, after=is_now)


def _end_sessions(user: User, *, keep: str | None = None) -> int:
    """End the person's sessions, and the sign-ins that were begun; returns how many sessions were ended."""
    Session.objects.filter(begun_by=user, user=None).exclude(pk=keep).delete()
    return Session.objects.filter(user=user).exclude(pk=keep).delete()[0]


def record_password_reset_sent(user: User, *, by: Actor) -> None:
    """Write down that staff had a reset mail sent; the mail is the caller's, and no password is seen."""
    require_operator(by)
    with transaction.atomic(durable=True):
        record_of_person(AuditAction.USER_PASSWORD_RESET_SENT, user, by)
