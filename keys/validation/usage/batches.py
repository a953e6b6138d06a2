"""What a process counted in about a second, as it is handed on: ids, numbers, addresses and agents, and no secret.

In Redis a batch is an HMAC and msgpack, so that nobody who can write there counts what was never asked.
"""

import hmac
from functools import lru_cache
from hashlib import sha256

import msgspec
from django.conf import settings
from msgspec import Struct

MAC_BYTES = 32


class Count(Struct, frozen=True, array_like=True):
    """How often a secret got an answer in the hour that begins at ``hour``, in seconds since the epoch."""

    credential_id: str
    secret_id: str
    hour: int
    code: str
    count: int


class Use(Struct, frozen=True, array_like=True):
    """When a secret was last used, from where and by what. ``credential_id`` is empty for an API secret."""

    credential_id: str
    secret_id: str
    at: float
    address: str | None
    agent: str


class Batch(Struct, frozen=True, array_like=True):
    """What is added to the tables once, however often it is tried: the id is what makes it once."""

    id: str
    closed_at: float
    counts: list[Count]
    uses: list[Use]

    @property
    def answers(self) -> int:
        """How many answers it counts."""
        return sum(count.count for count in self.counts)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode(batch: Batch) -> bytes:
    """The batch as it stands in Redis."""
    body = _encoder.encode(batch)
    return _mac(body) + body


def decode(entry: bytes) -> Batch | None:
    """The batch, or None for what is not ours or of a release with another form."""
    mac, body = entry[:MAC_BYTES], entry[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body)):
        return None
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None


def _mac(body: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY), body, "sha256")


@lru_cache(maxsize=2)
def _key(secret_key: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"latchkey usage", sha256)
