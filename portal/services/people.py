"""Operations on people; each is one transaction with its audit event."""

from collections.abc import Collection, Mapping

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from portal import addresses
from portal.audit import Actor, ActorKind, record_of_person, require_operator
from portal.audit_actions import AuditAction
from portal.models import Session, User
from portal.preferences import Density, MailKind
from portal.refusals import Invalid
from portal.services.organizations import checked_name, create_personal_organization
from portal.ui.times import zone_names

_NOT_PEOPLE = frozenset({*ActorKind, "anyone", "latchkey", "operator", "the operator"})


def known_spelling(email: str) -> str:
    """Return the spelling that an account uses for this mailbox, or the one that a new account would get."""
    known = EmailAddress.objects.filter(email__in=addresses.spellings(email)).order_by("-primary", "pk")
    try:
        return known.values_list("email", flat=True).first() or addresses.normal(email)
    except addresses.BadAddress:
        return email


def sign_up(user: User, *, by: Actor) -> User:
    """Save a new person, whose address is not verified yet, with their own organization.

    The password is hashed before: hashing is slow, and no lock should wait for it. Raises IntegrityError if the address
    already has an account.
    """
    with transaction.atomic(durable=True):
        user.save(force_insert=True)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
        record_of_person(AuditAction.USER_SIGNED_UP, user, by)
        create_personal_organization(user, by=by)
    return user


def set_password(user: User, password: str, *, action: AuditAction, by: Actor, keep: str = "") -> bool:
    """Set a password and end all sessions except the row ``keep``; return True.

    If the password was changed since ``user`` was read, change nothing and return False.
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
    """Sign a person out everywhere at once and refuse new sign-ins; their organizations and keys stay.

    A repeat is not audited.
    """
    require_operator(by)
    with transaction.atomic(durable=True):
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            record_of_person(AuditAction.USER_DEACTIVATED, user, by)
        _end_sessions(user)  # otherwise they would work again after a reactivation


def set_up_superuser(user: User, *, by: Actor) -> None:
    """Complete and audit a new superuser; the address counts as verified, because a shell command created it."""
    require_operator(by)
    with transaction.atomic():
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        access = {"is_staff": user.is_staff, "is_superuser": user.is_superuser}
        record_of_person(AuditAction.USER_CREATED, user, by, after=access)
        create_personal_organization(user, by=by)


def reactivate_user(user: User, *, by: Actor) -> None:
    """Let a deactivated person sign in again; a repeat changes nothing."""
    require_operator(by)
    with transaction.atomic(durable=True):
        if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            record_of_person(AuditAction.USER_REACTIVATED, user, by)


def end_other_sessions(user: User, *, keep: str, by: Actor) -> int:
    """End the person's sessions except the row ``keep``; return how many were ended."""
    with transaction.atomic(durable=True):
        ended = _end_sessions(user, keep=keep)
        if ended:
            record_of_person(AuditAction.USER_SESSIONS_ENDED, user, by)
    return ended


def choose_mails(user: User, wanted: Collection[MailKind], *, by: Actor) -> None:
    """Set which optional mails the person receives; the same choice again changes nothing."""
    unwanted = [kind.value for kind in MailKind if kind not in wanted]
    _change(user, AuditAction.USER_MAILS_CHOSEN, {"unwanted_mails": unwanted}, by)


def rename_person(user: User, name: str, *, by: Actor) -> None:
    """Set the name that others see, or remove it with an empty one; the same name again changes nothing.

    Raises Invalid, also for a name that could be taken for an address or for the system.
    """
    wanted = checked_name(name) if name.strip() else ""
    if "@" in wanted:
        raise Invalid("name", "Leave out the @: your address is shown beside your name where it matters.")
    if wanted.casefold() in _NOT_PEOPLE:
        raise Invalid("name", f"{wanted} is what activity calls the service itself. Choose another name.")
    _change(user, AuditAction.USER_RENAMED, {"name": wanted}, by)


def choose_preferences(user: User, *, time_zone: str, density: Density, by: Actor) -> None:
    """Set how the person wants pages and mails; an empty time zone is the browser's. Raises Invalid.

    The same choice again changes nothing.
    """
    if time_zone and time_zone not in zone_names():
        raise Invalid("time_zone", "Choose a time zone from the list.")
    _change(user, AuditAction.USER_PREFERENCES_CHOSEN, {"time_zone": time_zone, "density": density.value}, by)


def _change(user: User, action: AuditAction, wanted: Mapping[str, object], by: Actor) -> None:
    with transaction.atomic(durable=True):
        row = User.objects.select_for_update().get(pk=user.pk)
        before = {name: getattr(row, name) for name in wanted if getattr(row, name) != wanted[name]}
        if not before:
            return
        after = {name: wanted[name] for name in before}
        User.objects.filter(pk=user.pk).update(**after)
        record_of_person(action, user, by, before=before, after=after)


def _end_sessions(user: User, *, keep: str | None = None) -> int:
    """End the person's sessions and unfinished sign-ins; return how many sessions were ended."""
    Session.objects.filter(begun_by=user, user=None).exclude(pk=keep).delete()
    return Session.objects.filter(user=user).exclude(pk=keep).delete()[0]


def record_password_reset_sent(user: User, *, by: Actor) -> None:
    """Audit that staff had a reset mail sent. The caller sends the mail; staff see no password."""
    require_operator(by)
    with transaction.atomic(durable=True):
        record_of_person(AuditAction.USER_PASSWORD_RESET_SENT, user, by)
