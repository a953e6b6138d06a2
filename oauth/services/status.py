"""Lease blocks of status indexes: the only write of token issuing, made ahead of the tokens."""

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
    """Slots of a list that one process may use, each for one token."""

    list_number: int
    seed: bytes
    slots: range

    @property
    def indexes(self) -> list[int]:
        """The indexes under which the slots are published."""
        return indexes_of(self.slots, self.seed)


def lease_block(
    client_id: str, api_id: str, *, generation: int, count: int, now: datetime, kid: str | None = None
) -> Block:
    """Lease up to ``count`` slots, which are never leased again. They have to be used within ``LEASED_FOR``.

    The client may be revoked during the lease: the block's row holds its client, generation and signing key, and its
    status follows from them.
    """
    with transaction.atomic(durable=True):
        # no_key: else the revocation of a token, which inserts a row that refers to the list, would wait for this lock.
        # It would hold the lock of its client meanwhile, and this transaction refers to a client below.
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
