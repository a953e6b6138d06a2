"""Publish the keys that verify tokens, as a JWK Set (RFC 7517)."""

import time

import msgspec

from keys.validation.snapshot_names import SIGNING_KEYS
from keys.validation.store.database import DEADLINE_S, Snapshots, Unavailable
from keys.validation.types import SigningKeysSnapshot
from oauth.keyring import keyring


class Published:
    """Publishes the public keys; while they cannot be read, the ones that were read last are served."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._last: SigningKeysSnapshot | None = None

    async def jwks(self) -> bytes:
        """The JWK Set as JSON; raises Unavailable if none was ever read."""
        deadline = time.monotonic() + DEADLINE_S
        try:
            found = (await self._snapshots.read((SIGNING_KEYS,), deadline=deadline)).get(SIGNING_KEYS)
        except Unavailable:
            found = self._last
        if not isinstance(found, SigningKeysSnapshot):
            raise Unavailable("keys")
        self._last = found
        return msgspec.json.encode({"keys": keyring(found).published(now=time.time())})
