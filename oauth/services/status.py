"""Lease places in status lists, a block at a time: what token issuing writes, ahead of the tokens."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from keys.models import Api
from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S
from oauth.models import Client, SigningKey, StatusBlock, StatusList
from oauth.protocol.status_list import LIST_SIZE, indexes_of

LEASED_FOR = timedelta(hours=1)
_TOKENS_LIVE_ON = timedelta(seconds=MAX_TOKEN_LIFETIME_S) + timedelta(hours=1)  # clocks differ


class Block(NamedTuple):
    """Slots of a list that one process may use, each once."""

    list_number: int
    seed: bytes
    slots: range

    @property
    def indexes(self) -> list[int]:
        """What the slots are published under."""
        return indexes_of(self.slots, self.seed)


def lease_block(
    client_id: str, api_id: str, *, generation: int, count: int, now: datetime, kid: str | None = None
) -> Block:
    """Up to ``count`` slots that nobody else has or will have, to be used within ``LEASED_FOR``.

    The client may be revoked meanwhile: the block says for whom, for which generation and for which signing key it was,
    and is judged by that.
    """
    with transaction.atomic(durable=True):
        # Not so that a revocation, which refers to the list, would wait, holding the client that is referred to below.
        open_lists = StatusList.objects.select_for_update(no_key=True).filter(next_slot__lt=LIST_SIZE)
        found = open_lists.order_by("pk").first() or StatusList.objects.create()
        slots = range(found.next_slot, min(found.next_slot + count, LIST_SIZE))
        found.next_slot = slots.stop
        found.save(update_fields=["next_slot"])
        StatusBlock.objects.create(
            status_list=found,
            first=slots.start,
            count=len(slots),
            client=Client.objects.get(public_id=client_id),
            api=Api.objects.get(public_id=api_id),
            generation=generation,
            signing_key=SigningKey.objects.get(kid=kid) if kid else None,
            ends_at=now + LEASED_FOR + _TOKENS_LIVE_ON,
        )
    return Block(found.pk, bytes(found.seed), slots)
