"""Operations that all types of credential share: pause, resume, revoke, set the operator's metadata."""

from dataclasses import dataclass, field
from typing import Generic

from django.utils import timezone

from keys.models import RevokeReason, Secret
from keys.services.common import lock_credential, refuse_if_revoked, revoke_locked, valid
from keys.services.credential_type import Row, snapshots_of, type_of
from portal.audit import Actor, record_of, require_operator
from portal.metadata import clean_metadata
from portal.outbox import Propagation, change


@dataclass(frozen=True)
class IssuedCredential(Generic[Row]):
    """A credential and its new secret. The secret's text is shown once and does not appear in ``repr``."""

    credential: Row
    secret: Secret
    secret_text: str = field(repr=False)
    propagation: Propagation


@dataclass(frozen=True)
class ChangedCredential(Generic[Row]):
    """A credential after a change, with the propagation of the change."""

    credential: Row
    propagation: Propagation


def disable_credential(credential: Row, *, by: Actor) -> ChangedCredential[Row]:
    """Pause the credential: it is refused until it is enabled. Repeating it only invalidates the caches again."""
    return _set_disabled(credential, disabled=True, by=by)


def enable_credential(credential: Row, *, by: Actor) -> ChangedCredential[Row]:
    """Resume a paused credential; raises Refused if it is revoked."""
    return _set_disabled(credential, disabled=False, by=by)


def revoke_credential(credential: Row, *, reason: RevokeReason, by: Actor) -> ChangedCredential[Row]:
    """Revoke the credential for good. A repeat keeps the first reason and only invalidates the caches again."""
    with change() as pending:
        credential = lock_credential(credential, by=by)
        if credential.revoked_at is None:
            revoke_locked(credential, reason, by, timezone.now())
        pending.invalidates(*snapshots_of(credential))
    return ChangedCredential(credential, pending.spread)


def note_credential(credential: Row, metadata: dict[str, object], *, by: Actor) -> ChangedCredential[Row]:
    """Set the operator's metadata, which backends receive. The organization can read it but not change it.

    Equal metadata writes nothing. Raises NotAllowed or Invalid.
    """
    require_operator(by)
    with change() as pending:
        credential = lock_credential(credential, by=by)
        metadata = valid("operator_metadata", lambda: clean_metadata(metadata))
        before = {"operator_metadata": credential.operator_metadata}
        after = {"operator_metadata": metadata}
        if before != after:
            credential.operator_metadata = metadata
            credential.version += 1
            credential.save(update_fields=["operator_metadata", "version"])
            action = type_of(credential).action("edited")
            record_of(action, credential, by, timezone.now(), before=before, after=after)
        pending.invalidates(*snapshots_of(credential))
    return ChangedCredential(credential, pending.spread)


def _set_disabled(credential: Row, *, disabled: bool, by: Actor) -> ChangedCredential[Row]:
    with change() as pending:
        credential = lock_credential(credential, by=by)
        now = timezone.now()
        refuse_if_revoked(credential)
        if (credential.disabled_at is not None) != disabled:
            credential.disabled_at = now if disabled else None
            credential.version += 1
            credential.save(update_fields=["disabled_at", "version"])
            record_of(type_of(credential).action("disabled" if disabled else "enabled"), credential, by, now)
        pending.invalidates(*snapshots_of(credential))
    return ChangedCredential(credential, pending.spread)
