"""Signal receivers that audit account events, in the transaction that makes the change."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, user_logged_in
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_used
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from portal.audit import COMMAND, Actor, record_of_person
from portal.audit_actions import AuditAction
from portal.http import actor_of
from portal.models import User
from portal.services import people

Values = Mapping[str, object] | None


@receiver(post_save, sender=User)
def set_up_superuser(instance: User, *, created: bool, raw: bool = False, **_: Any) -> None:
    """Complete a superuser that a shell command created, in the transaction that saves the user."""
    if created and not raw and instance.is_superuser:
        people.set_up_superuser(instance, by=COMMAND)


@receiver(email_changed)
def record_email_change(
    request: HttpRequest, user: User, from_email_address: EmailAddress | None, to_email_address: EmailAddress, **_: Any
) -> None:
    """Audit a change of address and mail the new address; the first address of a new account is no change."""
    if from_email_address is not None:
        _record(
            AuditAction.USER_EMAIL_CHANGED,
            user,
            actor_of(request),
            before={"email": from_email_address.email},
            after={"email": to_email_address.email},
        )
        changed = {"from_email": from_email_address.email, "to_email": to_email_address.email}
        get_adapter().send_notification_mail(  # allauth mails only the old address
            "account/email/email_changed", user, changed, email=to_email_address.email
        )


@receiver(post_save, sender=Authenticator)
def record_factor_added(instance: Authenticator, *, created: bool, **_: Any) -> None:
    """Audit a new second factor, or the recovery codes that come with the first one."""
    if created:
        _record(AuditAction.USER_SECOND_FACTOR_ADDED, instance.user, _actor(), after={"type": str(instance.type)})


@receiver(post_delete, sender=Authenticator)
def record_factor_removed(instance: Authenticator, **_: Any) -> None:
    """Audit the removal of a second factor."""
    _record(AuditAction.USER_SECOND_FACTOR_REMOVED, instance.user, _actor(), before={"type": str(instance.type)})


@receiver(authenticator_used)
def tell_recovery_code(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    """Audit the use of a recovery code and mail the owner, since somebody else may have found the code."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        codes = Authenticator.objects.get(pk=authenticator.pk)  # read again: the use has changed the row
        left = len(codes.wrap().get_unused_codes())
        _record(AuditAction.USER_RECOVERY_CODE_USED, user, _by(request, user), after={"left": left})
        get_adapter().send_notification_mail("mfa/email/recovery_code_used", user, {"left": left})


@receiver(user_logged_in)
def record_sign_in(request: HttpRequest, user: User, **_: Any) -> None:
    """Audit a sign-in and the methods that were used."""
    ways = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    _record(AuditAction.USER_SIGNED_IN, user, _by(request, user), after={"by": ways})


def _by(request: HttpRequest, user: User) -> Actor:
    """Return the person as the actor, even before they are signed in."""
    return replace(actor_of(request), user=user)


def _actor() -> Actor:
    return actor_of(context.request) if context.request is not None else COMMAND


def _record(action: AuditAction, user: User, by: Actor, *, before: Values = None, after: Values = None) -> None:
    with transaction.atomic():  # allauth opens none around its change
        record_of_person(action, user, by, before=before, after=after)
