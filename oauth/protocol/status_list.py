"""Where the status of tokens stands in a Token Status List, without a write for each token. Pure.

A list has 2**20 places. A process that issues tokens leases *blocks* of it ahead of time (``oauth.status_leases``):
consecutive slots for one client, API and generation, so that one row tells whose a million places may be. Whoever
suspends or revokes a client changes nothing in a list: what its blocks say follows from the client. Only a token that
is revoked by itself has a row, and its ``jti`` says its place.

Slots are handed out in order and never twice; published is the *index* that a slot is scattered to, so that neighbours
tell nobody that two tokens belong together (Token Status List, "Unlinkability"). The scattering is a Feistel network
over 20 bits whose round functions are tables drawn from the list's random seed: a bijection that takes well under a
second for all of a list, and can be run backwards to find the block of an index.
"""

import secrets
from array import array
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache, reduce
from hashlib import shake_256
from operator import or_, xor
from typing import NamedTuple

AGGREGATION_PATH = "/oauth/status"  # and below it each list, by its number
HALF_BITS = 10
LIST_SIZE = 1 << 2 * HALF_BITS
SEED_BYTES = 32
BITS = 2  # a status takes
_HALF = (1 << HALF_BITS) - 1
_ROUNDS = 4
_AT_ONCE = 1 << 14  # slots are scattered, in about 10 ms, so that other threads get their turn


class Status(IntEnum):
    """What is said of a token (Token Status List, "Status Types")."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


class Span(NamedTuple):
    """Slots that follow one another, and what is said of each."""

    first: int
    size: int
    status: int


def new_seed() -> bytes:
    """What a new list scatters its slots by."""
    return secrets.token_bytes(SEED_BYTES)


def indexes_of(slots: Sequence[int], seed: bytes) -> list[int]:
    """The indexes that the slots are published under, in their order."""
    left, right = [slot >> HALF_BITS for slot in slots], [slot & _HALF for slot in slots]
    for table in _tables(seed):
        left, right = right, list(map(xor, left, map(table.__getitem__, right)))
    return [high << HALF_BITS | low for high, low in zip(left, right, strict=True)]


def slot_of(index: int, seed: bytes) -> int:
    """The slot that is published under the index."""
    left, right = index >> HALF_BITS, index & _HALF
    for table in reversed(_tables(seed)):
        left, right = right ^ table[left], left
    return left << HALF_BITS | right


def packed(spans: Iterable[Span], invalid: Iterable[int], *, seed: bytes) -> bytes:
    """All of a list, four statuses a byte and the first in the lowest bits (Token Status List, "Status List").

    ``invalid`` are indexes of single tokens; whatever is named neither way is valid.
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
        by_index[index] = Status.INVALID
    quarters = (int.from_bytes(by_index[at::4], "little") << BITS * at for at in range(4))
    return reduce(or_, quarters).to_bytes(LIST_SIZE // 4, "little")


@lru_cache(maxsize=4 * LIST_SIZE // _AT_ONCE)  # 16 MB
def _scattered(first: int, seed: bytes) -> "array[int]":
    """The indexes of slots that follow one another; they cost most of a list, and never change."""
    return array("I", indexes_of(range(first, first + _AT_ONCE), seed))


@lru_cache(maxsize=16)
def _tables(seed: bytes) -> tuple[tuple[int, ...], ...]:
    """A table of random 10-bit numbers for each round."""
    size = 2 * (_HALF + 1)
    drawn = shake_256(b"latchkey status list" + seed).digest(_ROUNDS * size)
    rounds = (drawn[first : first + size] for first in range(0, len(drawn), size))
    return tuple(
        tuple(int.from_bytes(table[at : at + 2], "big") & _HALF for at in range(0, size, 2)) for table in rounds
    )
