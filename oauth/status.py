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
from collections.abc import Sequence
from functools import lru_cache
from hashlib import shake_256
from operator import xor

HALF_BITS = 10
LIST_SIZE = 1 << 2 * HALF_BITS
SEED_BYTES = 32
_HALF = (1 << HALF_BITS) - 1
_ROUNDS = 4


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


@lru_cache(maxsize=16)
def _tables(seed: bytes) -> tuple[tuple[int, ...], ...]:
    """A table of random 10-bit numbers for each round."""
    size = 2 * (_HALF + 1)
    drawn = shake_256(b"latchkey status list" + seed).digest(_ROUNDS * size)
    rounds = (drawn[first : first + size] for first in range(0, len(drawn), size))
    return tuple(
        tuple(int.from_bytes(table[at : at + 2], "big") & _HALF for at in range(0, size, 2)) for table in rounds
    )
