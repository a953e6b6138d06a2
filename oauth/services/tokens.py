"""Revoke a client's access tokens: one by its ``jti``, or all of them."""

from datetime import datetime

from django.utils import timezone

from keys.services.common import lock_credential, refuse_if_revoked
from keys.services.credentials import ChangedCredential
from keys.services.errors import Invalid
from keys.validation.snapshot_names import client_name
from oauth.models import CLOCKS_DIFFER, Client, RevokedToken, RevokedTokenQuerySet, StatusBlock, StatusList
from oauth.protocol.jti import StatusIndex, status_index_of
from oauth.protocol.status_list import LIST_SIZE, slot_of
from portal.audit import Actor, record_of
from portal.audit_actions import AuditAction
from portal.outbox import change

MAX_REVOKED_TOKENS = 1000  # of a client: its snapshot holds all of them, and each change loads them again


def revoke_token(
    client: Client, jti: str, *, by: Actor, expires_at: datetime | None = None
) -> ChangedCredential[Client]:
    """Revoke one token of the client; a repeat only invalidates the caches again.

    Only the status index at the end of ``jti`` is checked: the rest of a ``jti`` is not stored when a token is issued.
    If ``MAX_REVOKED_TOKENS`` are stored already, all tokens of the client are revoked, so that the number stays bounded
    and every revoked token stays refused. Without ``expires_at`` the row is kept for as long as any token with this
    status index can live.
    Raises NotAllowed, or Invalid for a ``jti`` with an index that was not leased for this client.
    """
    with change() as pending:
        client = lock_credential(client, by=by)
        now = timezone.now()
        status_index = status_index_of(jti)
        block = status_index and _block_of(client, status_index)
        if status_index is None or block is None:
            raise Invalid("jti", "No token of this client has that id.")
        is_refused = block.generation < client.generation or _rows_at(client, status_index).exists()
        if not is_refused and client.revoked_tokens.remembered(now).count() >= MAX_REVOKED_TOKENS:
            _revoke_all(client, by, now, jti=jti)
        elif not is_refused:
            client.revoked_tokens.create(
                jti=jti,
                status_list_id=status_index.list_number,
                index=status_index.idx,
                revoked_at=now,
                expires_at=expires_at or block.ends_at,
            )
            record_of(AuditAction.CLIENT_TOKEN_REVOKED, client, by, now, after={"jti": jti})
        pending.invalidates(client_name(client.public_id))
    return ChangedCredential(client, pending.spread)


def revoke_all_tokens(client: Client, *, by: Actor) -> ChangedCredential[Client]:
    """Revoke every token that was issued so far; the client can get new ones."""
    with change() as pending:
        client = lock_credential(client, by=by)
        refuse_if_revoked(client)
        _revoke_all(client, by, timezone.now())
        pending.invalidates(client_name(client.public_id))
    return ChangedCredential(client, pending.spread)


def _revoke_all(client: Client, by: Actor, now: datetime, **because: object) -> None:
    """Start the next generation, in the open transaction. Rows of single revoked tokens are then no longer needed."""
    client.generation += 1
    client.version += 1
    client.save(update_fields=["generation", "version"])
    client.revoked_tokens.all().delete()
    after = {"generation": client.generation, **because}
    record_of(AuditAction.CLIENT_TOKENS_REVOKED, client, by, now, after=after)


def _rows_at(client: Client, status_index: StatusIndex) -> RevokedTokenQuerySet:
    return client.revoked_tokens.filter(status_list=status_index.list_number, index=status_index.idx)


def _block_of(client: Client, status_index: StatusIndex) -> StatusBlock | None:
    """The block that the status index was leased with; None if it was not leased for this client."""
    found = StatusList.objects.filter(pk=status_index.list_number).first() if status_index.idx < LIST_SIZE else None
    if found is None:
        return None
    slot = slot_of(status_index.idx, bytes(found.seed))
    block = StatusBlock.objects.filter(status_list=found, first__lte=slot).order_by("-first").first()
    is_own = block is not None and slot < block.first + block.count and block.client_id == client.pk
    return block if is_own else None


def prune_revoked_tokens(*, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` revocations of tokens that have expired: an expired token is refused anyway."""
    over = RevokedToken.objects.filter(expires_at__lt=now - CLOCKS_DIFFER)
    return over.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]


def prune_status_blocks(*, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` blocks whose tokens have all expired."""
    over = StatusBlock.objects.filter(ends_at__lt=now)
    return over.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]
