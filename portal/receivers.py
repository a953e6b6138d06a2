"""Write down what happens to accounts, in the transaction in which it happens."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed
from allauth.core import context
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from portal.audit import COMMAND, Actor, record
from portal.audit_actions import AuditAction
from portal.http import actor_of
from portal.models import User
from portal.services.organizations import create_personal_organization


@receiver(post_save, sender=User)
def set_up_superuser(instance: User, *, created: bool, raw: bool = False, **_: Any) -> None:
    """Let whoever a shell made superuser sign in: a shell needs no mail to prove that the address is right."""
    if created and not raw and instance.is_superuser:
        with transaction.atomic():
            EmailAddress.objects.create(user=instance, email=instance.email, primary=True, verified=True)
            create_personal_organization(instance, by=COMMAND)


@receiver(email_changed)
def record_email_change(
    request: HttpRequest, user: User, from_email_address: EmailAddress | None, to_email_address: EmailAddress, **_: Any
) -> None:
    """An address that takes another's place; the first one at sign-up takes nobody's."""
    if from_email_address is not None:
        _record(
            AuditAction.USER_EMAIL_CHANGED,
            user,
            by=actor_of(request),
            before={"email": from_email_address.email},
            after={"email": to_email_address.email},
        )


@receiver(post_save, sender=Authenticator)
def record_factor_added(instance: Authenticator, *, created: bool, **_: Any) -> None:
    """A second factor, or the recovery codes that come with the first."""
    if created:
        _record(AuditAction.USER_SECOND_FACTOR_ADDED, instance.user, by=_actor(), after={"type": str(instance.type)})


@receiver(post_delete, sender=Authenticator)
def record_factor_removed(instance: Authenticator, **_: Any) -> None:
    """A second factor that counts no more."""
    _record(AuditAction.USER_SECOND_FACTOR_REMOVED, instance.user, by=_actor(), before={"type": str(instance.type)})


def _actor() -> Actor:
    return actor_of(context.request) if context.request is not None else COMMAND


def _record(
    action: AuditAction,
    user: User,
    *,
    by: Actor,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    with transaction.atomic():
        record(
            action,
            actor=by,
            at=timezone.now(),
            subject_id=user.public_id,
            subject_label=user.email,
            before=before,
            after=after,
        )
