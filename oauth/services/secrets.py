"""Operations on the secrets of clients: roll, end one, move the end of an overlap. The rules are those of API keys."""

from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from keys.rules.secret import SecretKind
from keys.services.common import mint, only_once
from keys.services.errors import Conflict, Refused
from keys.services.policies import hold_policies_on_roll
from keys.services.secrets import check_overlap, end_for_roll, move_end
from oauth.models import Client, ClientSecret
from oauth.services.common import ChangedClient, IssuedClient, lock_client, name_of, refuse_if_revoked
from portal.audit import Actor, record_of
from portal.audit_actions import AuditAction
from portal.outbox import change


def roll_client(
    client: Client,
    *,
    overlap: timedelta,
    by: Actor,
    submission: UUID | None = None,
    seen_secret_id: str | None = None,
) -> IssuedClient:
    """Add a secret to the client; the old one works on for ``overlap``, 0 s to 30 days. Issued tokens stay valid.

    Raises NotAllowed, Invalid, Refused (revoked, or authenticates by keys), AlreadyDone, or Conflict if the client has
    a newer secret than ``seen_secret_id``.
    """
    check_overlap(overlap)
    with change() as pending, only_once(submission) as remember:
        client = lock_client(client.public_id, by=by)
        now = timezone.now()
        refuse_if_revoked(client)
        hold_policies_on_roll(client, by=by)
        if client.public_keys:
            raise Refused("This client authenticates by keys of its own; it has no secret to roll.")
        secrets = list(client.secrets.select_for_update().order_by("pk"))
        if seen_secret_id is not None and secrets[-1].public_id != seen_secret_id:
            raise Conflict("Somebody else has just rolled this client.")
        ended = end_for_roll(secrets, overlap=overlap, expires_at=None, now=now)
        remember(client.public_id)
        minted = mint(SecretKind.CLIENT, by=by.user, now=now)
        secret = ClientSecret.objects.create(client=client, **minted.columns)
        record_of(AuditAction.CLIENT_ROLLED, client, by, now, after={"secret": secret.public_id, "ends": ended})
        pending.invalidates(name_of(client))
    return IssuedClient(client, secret, minted.text, pending.spread)


def end_client_secret(secret: ClientSecret, *, by: Actor) -> ChangedClient:
    """End an old secret at once; raises Refused for the newest. A repeat only invalidates the caches again."""
    return _set_end(secret, ends_at=None, by=by)


def extend_client_overlap(secret: ClientSecret, *, ends_at: datetime, by: Actor) -> ChangedClient:
    """Move the end of an old secret, to at most 30 days from now."""
    return _set_end(secret, ends_at=ends_at, by=by)


def _set_end(secret: ClientSecret, *, ends_at: datetime | None, by: Actor) -> ChangedClient:
    with change() as pending:
        client = lock_client(secret.client.public_id, by=by)
        now = timezone.now()
        secret = client.secrets.select_for_update().get(pk=secret.pk)
        if secret.works(now):
            refuse_if_revoked(client)
        moved = move_end(secret, ends_at=ends_at, expires_at=None, now=now)
        if moved:
            action = AuditAction.CLIENT_OVERLAP_CHANGED if ends_at else AuditAction.CLIENT_SECRET_ENDED
            after = {"secret": secret.public_id, "ends_at": moved.after}
            record_of(action, client, by, now, before={"ends_at": moved.before}, after=after)
        pending.invalidates(name_of(client))
    return ChangedClient(client, pending.spread)
