"""One second's usage of a process, as it is passed on: ids, numbers, addresses and user agents, and no secret.

In Redis a batch is an HMAC and msgpack, so that a writer without the key cannot add uses that never happened.
"""

import hmac
from hashlib import sha256

import msgspec
from django.conf import settings
from msgspec import Struct

MAC_BYTES = 32


class Count(Struct, frozen=True, array_like=True):
    """How many responses a secret got with this code in the hour that begins at ``hour`` (seconds since the epoch)."""

    credential_id: str
    secret_id: str
    hour: int
    code: str
    count: int


class Use(Struct, frozen=True, array_like=True):
    """A secret's last use: time, address and user agent. ``credential_id`` is empty for an API secret."""

    credential_id: str
    secret_id: str
    at: float
    address: str | None
    agent: str


class Batch(Struct, frozen=True, array_like=True):
    """Usage to add to the tables exactly once. The id makes retries safe."""

    id: str
    closed_at: float
    counts: list[Count]
    uses: list[Use]

    @property
    def answers(self) -> int:
        """Count the responses in the batch."""
        return sum(count.count for count in self.counts)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode(batch: Batch) -> bytes:
    """Encode the batch for Redis."""
    body = _encoder.encode(batch)
    return _mac(body) + body


def decode(entry: bytes) -> Batch | None:
    """Decode and verify a batch; None if it is not ours, or from a release with another format."""
    mac, body = entry[:MAC_BYTES], entry[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body)):
        return None
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None


def _mac(body: bytes) -> bytes:
    key = hmac.digest(settings.SECRET_KEY.encode(), b"latchkey usage", sha256)
    return hmac.digest(key, body, sha256)
