"""Revoke one access token, by its ``jti``."""

from datetime import datetime, timedelta

from django.utils import timezone

from keys.limits import MAX_TOKEN_LIFETIME_S
from keys.services.errors import Invalid
from oauth.jti import Place, place_of
from oauth.models import Client, RevokedToken, StatusBlock, StatusList
from oauth.services.common import ChangedClient, lock_client, name_of
from oauth.status import LIST_SIZE, slot_of
from portal.audit import Actor, record_of
from portal.audit_actions import AuditAction
from portal.outbox import change


def revoke_token(client: Client, jti: str, *, by: Actor, expires_at: datetime | None = None) -> ChangedClient:
    """Refuse one token of the client from now on; a repeat only tells the caches again.

    Without ``expires_at`` it is remembered for as long as any token of today can live.
    Raises NotAllowed, or Invalid for an id that was never given to a token of this client.
    """
    with change() as pending:
        client = lock_client(client.public_id, by=by)
        now = timezone.now()
        place = place_of(jti)
        if place is None or not _is_of(client, place):
            raise Invalid("jti", "No token of this client has that id.")
        _, is_new = RevokedToken.objects.get_or_create(
            client=client,
            jti=jti,
            defaults={
                "status_list_id": place.list_number,
                "index": place.idx,
                "revoked_at": now,
                "expires_at": expires_at or now + timedelta(seconds=MAX_TOKEN_LIFETIME_S),
            },
        )
        if is_new:
            record_of(AuditAction.CLIENT_TOKEN_REVOKED, client, by, now, after={"jti": jti})
        pending.touch(name_of(client))
    return ChangedClient(client, pending.spread)


def _is_of(client: Client, place: Place) -> bool:
    """Whether the place was leased for tokens of this client."""
    found = StatusList.objects.filter(pk=place.list_number).first() if place.idx < LIST_SIZE else None
    if found is None:
        return False
    slot = slot_of(place.idx, bytes(found.seed))
    block = StatusBlock.objects.filter(status_list=found, first__lte=slot).order_by("-first").first()
    return block is not None and slot < block.first + block.count and block.client_id == client.pk


def prune_revoked_tokens(*, now: datetime, limit: int) -> int:
    """Drop up to ``limit`` revocations of tokens that have expired; nobody can tell the difference."""
    over = RevokedToken.objects.filter(expires_at__lt=now - timedelta(hours=1))
    return over.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]


def prune_status_blocks(*, now: datetime, limit: int) -> int:
    """Drop up to ``limit`` blocks whose tokens have all expired."""
    over = StatusBlock.objects.filter(ends_at__lt=now)
    return over.filter(pk__in=list(over.values_list("pk", flat=True)[:limit])).delete()[0]
