"""Shared parts of operations: lock in one order, make a secret, name the touched snapshots."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from keys.models import ApiSecret, Credential, RevokeReason, Secret, Submission
from keys.rules.secret import SecretKind, digest, generate
from keys.services.credential_type import Row, type_of
from keys.services.errors import AlreadyDone, Invalid, Refused
from keys.validation import snapshot_names
from portal.audit import Actor, ActorKind, record_of, require
from portal.fields import Field
from portal.models import Membership, Organization, ServiceAccount, User
from portal.permissions import Action

Value = TypeVar("Value")


@dataclass(frozen=True)
class Minted:
    """A new secret's text, to be shown once, and the columns to store."""

    text: str = field(repr=False)
    columns: dict[str, object] = field(repr=False)


def mint(kind: SecretKind, *, by: User | None, now: datetime) -> Minted:
    """Make a secret with this installation's brand, digested under the first pepper."""
    secret = generate(settings.KEY_BRAND, kind)
    pepper = settings.KEY_PEPPERS[0]
    return Minted(
        secret.text,
        {
            "digest": digest(secret.text, pepper.key),
            "pepper_version": pepper.version,
            "hint": secret.hint,
            "created_at": now,
            "created_by": by,
        },
    )


def lock_credential(credential: Row, *, by: Actor) -> Row:
    """Lock the credential, for an actor who may change it now, and read its organization; raises NotAllowed.

    The lock does not block writes of rows that only refer to the credential.
    """
    rows = type(credential)._default_manager.select_for_update(of=("self",), no_key=True)  # noqa: SLF001  # Django documents it as public
    locked = rows.select_related("organization").get(public_id=credential.public_id)
    hold_change(locked, by=by)
    return locked


def hold_change(credential: Credential, *, by: Actor) -> None:
    """Require as ``require_change`` does, and keep it true until the open transaction ends.

    The caller has locked the credential. Removing, demoting or deactivating the actor waits for that transaction, or
    came before it. Departures lock in the same order: the credentials, then the membership.
    """
    if by.kind is ActorKind.USER:
        places = Membership.objects.select_for_update(no_key=True).select_related("user")
        places.filter(organization=credential.organization, user=by.user).first()
    require_change(credential, by=by)


def require_change(credential: Credential, *, by: Actor) -> None:
    """Raise NotAllowed unless the actor may change this credential."""
    require(by, credential.organization, change_takes(credential, by.user))


def change_takes(credential: Credential, user: User | None) -> Action:
    """Return the permission needed to change it: a lower one for one's own credential, or a service account's."""
    is_theirs = user is not None and credential.owner_id == user.pk
    return Action.MANAGE_KEYS if is_theirs or credential.service_account_id else Action.MANAGE_ALL_KEYS


def secret_name(secret: Secret) -> str:
    """Name the snapshot of this secret."""
    name = snapshot_names.api_secret_name if isinstance(secret, ApiSecret) else snapshot_names.secret_name
    return name(bytes(secret.digest))


@contextmanager
def only_once(submission: UUID | None) -> Iterator[Callable[[str], None]]:
    """Refuse a form that was submitted before: raises AlreadyDone with the id that it created then.

    The caller passes the id that it creates to the yielded function. Of two submissions at once, the unique token lets
    one through.
    """

    def remember(subject_id: str) -> None:
        if submission is None:
            return
        try:
            with transaction.atomic():
                Submission.objects.create(token=submission, subject_id=subject_id)
        except IntegrityError:
            raise AlreadyDone(Submission.objects.get(token=submission).subject_id) from None

    earlier = Submission.objects.filter(token=submission).first() if submission else None
    if earlier:
        raise AlreadyDone(earlier.subject_id)
    yield remember


def valid(name: str, clean: Callable[[], Value]) -> Value:
    """Return the cleaned value; turns a ValueError into Invalid for this field."""
    try:
        return clean()
    except ValueError as exc:
        raise Invalid(name, str(exc)) from None


def cleaned_columns(
    settings: object, fields: Mapping[str, Field], **checks: Callable[[Any], object]
) -> dict[str, object]:
    """Check the settings and return them as columns; raises Invalid naming the first bad field.

    ``checks`` replace the fields' own.
    """
    return {
        name: valid(name, partial(checks.get(name, each.clean), getattr(settings, name)))
        for name, each in fields.items()
    }


def refuse_strange_owner(organization: Organization, account: ServiceAccount | None) -> None:
    """Raise Invalid for a service account of another organization, or a removed one."""
    present = ServiceAccount.objects.filter(organization=organization, removed_at=None)
    if account is not None and not present.filter(pk=account.pk).exists():
        raise Invalid("owner", "This service account is no longer there.")


def refuse_if_revoked(credential: Credential) -> None:
    """Raise Refused for a revoked credential."""
    if credential.revoked_at is not None:
        raise Refused(f"This {type_of(credential).noun} is revoked; that cannot be undone.")


def refuse_if_over(credential: Credential, now: datetime) -> None:
    """Raise Refused for a revoked or expired credential."""
    refuse_if_revoked(credential)
    if credential.expires_at is not None and credential.expires_at <= now:
        raise Refused(f"This {type_of(credential).noun} has expired. Create a new one.")


def revoke_locked(credential: Credential, reason: RevokeReason, by: Actor, now: datetime) -> None:
    """Revoke a locked credential that is not revoked yet; the caller invalidates its snapshots."""
    credential.revoked_at = now
    credential.revoke_reason = reason
    credential.version += 1
    credential.save(update_fields=["revoked_at", "revoke_reason", "version"])
    record_of(type_of(credential).action("revoked"), credential, by, now, after={"reason": reason.value})
