"""Operations on the secrets of all types of credential: roll, end one, move the end of an overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from keys.models import Secret
from keys.rules.field_rules import MAX_OVERLAP
from keys.rules.rolling import WorkingSecret, plan_roll
from keys.services.common import lock_credential, mint, only_once, refuse_if_over
from keys.services.credential_type import Row, snapshots_of, type_of
from keys.services.credentials import ChangedCredential, IssuedCredential
from keys.services.errors import Conflict, Invalid, Refused
from keys.services.policies import hold_policies_on_roll
from portal.audit import Actor, record_of
from portal.outbox import change


def roll_credential(
    credential: Row,
    *,
    overlap: timedelta,
    by: Actor,
    submission: UUID | None = None,
    seen_secret_id: str | None = None,
) -> IssuedCredential[Row]:
    """Add a secret to the credential, and end the old one after ``overlap`` (0 s to 30 days), never past its own end.

    ``seen_secret_id`` is the newest secret that the caller saw. If another is newest now, somebody else has just rolled
    the credential: this raises Conflict, so that the secret they were shown does not end.
    Raises NotAllowed, Invalid (also for an actor who may make no live credentials), Refused (revoked, expired, or
    without secrets), Conflict or AlreadyDone.
    """
    check_overlap(overlap)
    with change() as pending, only_once(submission) as remember:
        credential = lock_credential(credential, by=by)
        its = type_of(credential)
        now = timezone.now()
        refuse_if_over(credential, now)
        hold_policies_on_roll(credential, by=by)
        secrets = list(credential.secrets.select_for_update().order_by("pk"))
        if not secrets:
            raise Refused(f"This {its.noun} authenticates by keys of its own; it has no secret to roll.")
        if seen_secret_id is not None and secrets[-1].public_id != seen_secret_id:
            raise Conflict(f"Somebody else has just rolled this {its.noun}.")
        ended = end_for_roll(secrets, overlap=overlap, expires_at=credential.expires_at, now=now)
        remember(credential.public_id)
        minted = mint(its.secret_kind(credential), by=by.user, now=now)
        secret = credential.secrets.create(**minted.columns)
        after = {"secret": secret.public_id, "ends": ended}
        record_of(its.action("rolled"), credential, by, now, after=after)
        pending.invalidates(*its.snapshots(credential))
    return IssuedCredential(credential, secret, minted.text, pending.spread)


def end_old_secret(credential: Row, secret: Secret, *, by: Actor) -> ChangedCredential[Row]:
    """End one secret of the credential now; repeating it only invalidates the caches again.

    Raises Refused for the newest secret: to end it is to revoke the credential, which is another operation. Raises
    ObjectDoesNotExist for a secret of another credential.
    """
    return _set_end(credential, secret, ends_at=None, by=by)


def extend_overlap(credential: Row, secret: Secret, *, ends_at: datetime, by: Actor) -> ChangedCredential[Row]:
    """Move the end of a retiring secret, to at most 30 days from now and never past the credential's own end."""
    return _set_end(credential, secret, ends_at=ends_at, by=by)


def _set_end(credential: Row, secret: Secret, *, ends_at: datetime | None, by: Actor) -> ChangedCredential[Row]:
    with change() as pending:
        credential = lock_credential(credential, by=by)
        now = timezone.now()
        secret = credential.secrets.select_for_update().get(public_id=secret.public_id)
        if secret.works(now):
            refuse_if_over(credential, now)
        moved = move_end(secret, ends_at=ends_at, expires_at=credential.expires_at, now=now)
        if moved:
            action = type_of(credential).action("overlap_changed" if ends_at else "secret_ended")
            after = {"secret": secret.public_id, "ends_at": moved.after}
            record_of(action, credential, by, now, before={"ends_at": moved.before}, after=after)
        pending.invalidates(*snapshots_of(credential))
    return ChangedCredential(credential, pending.spread)


@dataclass(frozen=True)
class MovedEnd:
    """A secret's end before and after, as audit events show it."""

    before: str
    after: str


def move_end(
    secret: Secret, *, ends_at: datetime | None, expires_at: datetime | None, now: datetime
) -> MovedEnd | None:
    """End a retiring secret now, or at ``ends_at`` but never past ``expires_at``; None if it has already ended.

    Raises Refused for the newest secret, and for a new end of an ended one; Invalid for an end out of bounds.
    """
    if not secret.works(now):
        if ends_at is not None:
            raise Refused("This secret has already ended.")
        return None
    if secret.ends_at is None:
        raise Refused("This is the newest secret. Roll it, or revoke the whole credential.")
    before, until = secret.ends_at, check_new_end(ends_at, expires_at=expires_at, now=now) if ends_at else now
    secret.ends_at = until
    secret.end_recorded_at = None if ends_at else now  # a sweep records only the ends that time brings
    secret.save(update_fields=["ends_at", "end_recorded_at"])
    return MovedEnd(before.isoformat(), until.isoformat())


def end_for_roll(
    secrets: Sequence[Secret], *, overlap: timedelta, expires_at: datetime | None, now: datetime
) -> dict[str, str]:
    """Set the ends that a roll gives the secrets, oldest first; returns the ends by secret id, for the audit event."""
    working = [secret for secret in secrets if secret.works(now)]
    facts = [WorkingSecret(secret.public_id, secret.ends_at, secret.last_used_at is not None) for secret in working]
    ends = plan_roll(facts, overlap=overlap, expires_at=expires_at, now=now)
    for secret in working:
        if secret.public_id in ends:
            secret.ends_at = ends[secret.public_id]
            secret.end_recorded_at = now if secret.ends_at <= now else None  # the roll's own audit event records it
            secret.save(update_fields=["ends_at", "end_recorded_at"])
    return {public_id: end.isoformat() for public_id, end in ends.items()}


def check_overlap(overlap: timedelta) -> None:
    """Raise Invalid unless the overlap is between 0 and 30 days."""
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise Invalid("overlap", "Let the old secret go on for at most 30 days.")


def check_new_end(ends_at: datetime, *, expires_at: datetime | None, now: datetime) -> datetime:
    """Return the end that an overlap may have; raises Invalid for the past and for more than 30 days."""
    if ends_at <= now:
        raise Invalid("ends_at", "Choose a time in the future, or end the old secret now.")
    check_overlap(ends_at - now)
    return ends_at if expires_at is None else min(ends_at, expires_at)
