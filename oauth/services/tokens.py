"""Revoke a client's access tokens: one, by its ``jti``, or all of them."""

from datetime import datetime

from django.utils import timezone

from keys.services.errors import Invalid
from oauth.models import CLOCKS_DIFFER, Client, RevokedToken, RevokedTokenQuerySet, StatusBlock, StatusList
from oauth.protocol.jti import Place, place_of
from oauth.protocol.status_list import LIST_SIZE, slot_of
from oauth.services.common import ChangedClient, lock_client, name_of, refuse_if_revoked
from portal.audit import Actor, record_of
from portal.audit_actions import AuditAction
from portal.outbox import change

MAX_REVOKED_TOKENS = 1000  # of one client, one by one: its snapshot holds them all, and each change reads them anew


def revoke_token(client: Client, jti: str, *, by: Actor, expires_at: datetime | None = None) -> ChangedClient:
    """Refuse one token of the client from now on; a repeat only tells the caches again.

    The token is whichever was given the place that ``jti`` ends with: of the rest nothing is stored to compare with.
    Where ``MAX_REVOKED_TOKENS`` are remembered already, this revokes all: what is refused stays so, and it is bounded.
    Without ``expires_at`` it is remembered for as long as any token with that place can live.
    Raises NotAllowed, or Invalid for an id that was never given to a token of this client.
    """
    with change() as pending:
        client = lock_client(client.public_id, by=by)
        now = timezone.now()
        place = place_of(jti)
        block = place and _block_of(client, place)
        if place is None or block is None:
            raise Invalid("jti", "No token of this client has that id.")
        is_refused = block.generation < client.generation or _of_place(client, place).exists()
        if not is_refused and client.revoked_tokens.remembered(now).count() >= MAX_REVOKED_TOKENS:
            _revoke_all(client, by, now, jti=jti)
        elif not is_refused:
            client.revoked_tokens.create(
                jti=jti,
                status_list_id=place.list_number,
                index=place.idx,
                revoked_at=now,
                expires_at=expires_at or block.ends_at,
            )
            record_of(AuditAction.CLIENT_TOKEN_REVOKED, client, by, now, after={"jti": jti})
        pending.touch(name_of(client))
    return ChangedClient(client, pending.spread)


def revoke_all_tokens(client: Client, *, by: Actor) -> ChangedClient:
    """Refuse every token that was issued so far; the client goes on and gets new ones."""
    with change() as pending:
        client = lock_client(client.public_id, by=by)
        refuse_if_revoked(client)
        _revoke_all(client, by, timezone.now())
        pending.touch(name_of(client))
    return ChangedClient(client, pending.spread)


def _revoke_all(client: Client, by: Actor, now: datetime, **because: object) -> None:
    """Begin the next generation, in the open transaction; which single tokens were refused before is of no matter."""
    client.generation += 1
    client.version += 1
    client.save(update_fields=["generation", "version"])
    client.revoked_tokens.all().delete()
    after = {"generation": client.generation, **because}
    record_of(AuditAction.CLIENT_TOKENS_REVOKED, client, by, now, after=after)


def _of_place(client: Client, place: Place) -> RevokedTokenQuerySet:
    return client.revoked_tokens.filter(status_list=place.list_number, index=place.idx)


def _block_of(client: Client, place: Place) -> StatusBlock | None:
    """What the place was leased with; None where it was not for tokens of this client."""
    found = StatusList.objects.filter(pk=place.list_number).first() if place.idx < LIST_SIZE else None
    if found is None:
        return None
    slot = slot_of(place.idx, bytes(found.seed))
    block = StatusBlock.objects.filter(status_list=found, first__lte=slot).order_by("-first").first()
    is_own = block is not None and slot < block.first + block.count and block.client_id == client.pk
    return block if is_own else None


def prune_revoked_tokens(*, now: datetime, limit: int) -> int:
    """Drop up to ``limit`` revocations of tokens that have expired; nobody can tell the difference."""
    over = RevokedToken.objects.filter(expires_at__lt=now - CLOCKS_DIFFER)
    return over.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]


def prune_status_blocks(*, now: datetime, limit: int) -> int:
    """Drop up to ``limit`` blocks whose tokens have all expired."""
    over = StatusBlock.objects.filter(ends_at__lt=now)
    return over.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]
