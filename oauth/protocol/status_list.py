"""Assign status indexes in a Token Status List, and encode the list, without a database write for each token. Pure.

A list has 2**20 indexes. A process that issues tokens leases *blocks* of it ahead of time (``oauth.status_leases``). A
block is a range of slots for one client, API, generation and signing key, so that one row describes many tokens.
Suspending or revoking a client changes no list: the status of its blocks follows from the client's row. Only a token
that is revoked individually has a row, and its ``jti`` holds its status index.

Slots are leased in order and never twice. Each slot is published under another number, its *index*, so that adjacent
indexes do not reveal that two tokens belong together (Token Status List, "Unlinkability"). The permutation of slots to
indexes is a Feistel network over 20 bits; its round functions are tables derived from the list's random seed. It takes
well under a second for a whole list, and can be inverted to find the block of an index.
"""

import secrets
from array import array
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache, reduce
from hashlib import shake_256
from operator import or_, xor
from typing import NamedTuple

AGGREGATION_PATH = "/oauth/status"  # each list is served below this path, under its number
HALF_BITS = 10
LIST_SIZE = 1 << 2 * HALF_BITS
SEED_BYTES = 32
BITS = 2  # the size of a status
_HALF = (1 << HALF_BITS) - 1
_ROUNDS = 4
_AT_ONCE = 1 << 14  # slots in one step of about 10 ms; other threads run between the steps


class TokenStatus(IntEnum):
    """The status of a token (Token Status List, "Status Types")."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


class SlotSpan(NamedTuple):
    """Consecutive slots with the same status."""

    first: int
    size: int
    status: int


def new_seed() -> bytes:
    """A random seed for the permutation of a new list."""
    return secrets.token_bytes(SEED_BYTES)


def indexes_of(slots: Sequence[int], seed: bytes) -> list[int]:
    """The indexes of the slots, in the order of the slots."""
    left, right = [slot >> HALF_BITS for slot in slots], [slot & _HALF for slot in slots]
    for table in _tables(seed):
        left, right = right, list(map(xor, left, map(table.__getitem__, right)))
    return [high << HALF_BITS | low for high, low in zip(left, right, strict=True)]


def slot_of(index: int, seed: bytes) -> int:
    """The slot of an index."""
    left, right = index >> HALF_BITS, index & _HALF
    for table in reversed(_tables(seed)):
        left, right = right ^ table[left], left
    return left << HALF_BITS | right


def packed(spans: Iterable[SlotSpan], invalid: Iterable[int], *, seed: bytes) -> bytes:
    """The bytes of a list, four statuses per byte, the first in the lowest bits (Token Status List, "Status List").

    ``invalid`` holds the indexes of individually revoked tokens. All other indexes outside the spans are valid.
    """
    by_slot, by_index = bytearray(LIST_SIZE), bytearray(LIST_SIZE)
    for first, size, status in spans:
        by_slot[first : first + size] = bytes((status,)) * size
    for first in range(0, LIST_SIZE, _AT_ONCE):
        statuses = by_slot[first : first + _AT_ONCE]
        if any(statuses):
            for index, status in zip(_scattered(first, seed), statuses, strict=True):
                by_index[index] = status
    for index in invalid:
        by_index[index] = TokenStatus.INVALID
    quarters = (int.from_bytes(by_index[at::4], "little") << BITS * at for at in range(4))
    return reduce(or_, quarters).to_bytes(LIST_SIZE // 4, "little")


@lru_cache(maxsize=4 * LIST_SIZE // _AT_ONCE)  # at most 16 MB
def _scattered(first: int, seed: bytes) -> "array[int]":
    """The indexes of ``_AT_ONCE`` slots from ``first`` on; they never change.

    Without the cache, building a list again takes twice as long.
    """
    return array("I", indexes_of(range(first, first + _AT_ONCE), seed))


@lru_cache(maxsize=16)
def _tables(seed: bytes) -> tuple[tuple[int, ...], ...]:
    """A table of pseudorandom 10-bit numbers for each round, derived from the seed.

    Without the cache, building a list for the first time takes 8 % longer.
    """
    size = 2 * (_HALF + 1)
    drawn = shake_256(b"latchkey status list" + seed).digest(_ROUNDS * size)
    rounds = (drawn[first : first + size] for first in range(0, len(drawn), size))
    return tuple(
        tuple(int.from_bytes(table[at : at + 2], "big") & _HALF for at in range(0, size, 2)) for table in rounds
    )
