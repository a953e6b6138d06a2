"""Public ids and base62. Ids are random, and public ids are time-ordered; no id is a database sequence number. Pure."""

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
    """Encode ``number`` in base62, most significant digit first, zero-padded to ``width``."""
    pairs: list[str] = []
    while number:
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    return "".join(pairs)[-width:].rjust(width, ALPHABET[0])


def number(text: str) -> int:
    """Decode six base62 digits."""
    return (_VALUES[text[:2]] * 3844 + _VALUES[text[2:4]]) * 3844 + _VALUES[text[4:6]]


def random_id(prefix: str) -> str:
    """Return an id such as ``req_7Qd3…`` for a single use: fast, unordered, and not secret."""
    noise = random.getrandbits(8 * ID_CHARS)  # a name need not be hard to guess
    return f"{prefix}_{noise.to_bytes(ID_CHARS).translate(_FROM_BYTES).decode()}"


def public_id(prefix: str, uuid: UUID | None = None) -> str:
    """Return a new id such as ``key_01JD…``: the prefix, ``_`` and a UUIDv7 (RFC 9562 §5.7) as 22 base62 characters."""
    return f"{prefix}_{base62((uuid or uuid7()).int, width=ID_CHARS)}"


def user_id() -> str:
    """Return a new person's id."""
    return public_id("user")


def organization_id() -> str:
    """Return a new organization's id."""
    return public_id("org")


def invitation_id() -> str:
    """Return a new invitation's id."""
    return public_id("inv")


def service_account_id() -> str:
    """Return a new service account's id."""
    return public_id("svc")


def event_id() -> str:
    """Return a new audit event's id."""
    return public_id("event")
