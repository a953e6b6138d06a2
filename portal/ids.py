"""Public ids and base62: time-ordered, random, never a database sequence number. Pure."""

import random
from uuid import UUID

from uuid_utils.compat import uuid7

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_CHARS = 22  # base62 of 128 bits
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]  # two digits at a time: this is on the hot path
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_FROM_BYTES = (ALPHABET * 5)[:256].encode()
MAX_PUBLIC_ID_CHARS = 32  # the longest prefix, "_", 22


def base62(number: int, *, width: int) -> str:
    """Spell ``number`` most significant digit first, zero-padded to ``width``."""
    pairs: list[str] = []
    while number:
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    return "".join(pairs)[-width:].rjust(width, ALPHABET[0])


def number(text: str) -> int:
    """The number that six base62 digits spell."""
    return (_VALUES[text[:2]] * 3844 + _VALUES[text[2:4]]) * 3844 + _VALUES[text[4:6]]


def random_id(prefix: str) -> str:
    """A name such as ``req_7Qd3…`` that is used once; of no order, made for speed, and no secret."""
    noise = random.getrandbits(8 * ID_CHARS)  # a name need not be hard to guess
    return f"{prefix}_{noise.to_bytes(ID_CHARS).translate(_FROM_BYTES).decode()}"


def public_id(prefix: str, uuid: UUID | None = None) -> str:
    """A new id such as ``key_01JD…``: the prefix, ``_`` and 22 base62 characters of a UUIDv7 (RFC 9562 §5.7)."""
    return f"{prefix}_{base62((uuid or uuid7()).int, width=ID_CHARS)}"


def user_id() -> str:
    """A new person's id."""
    return public_id("user")


def organization_id() -> str:
    """A new organization's id."""
    return public_id("org")


def invitation_id() -> str:
    """A new invitation's id."""
    return public_id("inv")


def service_account_id() -> str:
    """A new service account's id."""
    return public_id("svc")


def event_id() -> str:
    """A new audit event's id."""
    return public_id("event")
