"""The signing keys of a snapshot, parsed and decrypted once per process."""

import json
from collections.abc import Mapping
from functools import lru_cache
from math import inf

from keys.validation.types import SigningKeyFacts, SigningKeysSnapshot
from oauth.private_keys import decrypt_private_key
from oauth.protocol import jwk
from oauth.protocol.access_token import Signer, Verifier, header_of


class NoSigningKey(Exception):
    """No key of the algorithm signs at present; ``rotate_signing_keys`` makes one."""


class Keyring:
    """The keys of one snapshot."""

    def __init__(self, snapshot: SigningKeysSnapshot) -> None:
        self.snapshot = snapshot
        self.verifiers: Mapping[str, Verifier] = {
            header_of(key.kid, key.algorithm): _verifier(key) for key in snapshot.keys
        }
        self._kept_until = {key.kid: inf if key.kept_until is None else key.kept_until for key in snapshot.keys}
        self._signers: dict[tuple[str, str], Signer] = {}

    def signer(self, algorithm: str, *, now: float, typ: str = "at+jwt") -> Signer:
        """The key that signs with the algorithm at ``now``; raises NoSigningKey."""
        for key in self.snapshot.keys:
            if (
                key.algorithm == algorithm
                and key.signs_from <= now
                and (key.signs_until is None or now < key.signs_until)
            ):
                return self._signer(key, typ)
        raise NoSigningKey(algorithm)

    def is_believed(self, kid: str, *, now: float) -> bool:
        """Whether tokens that the key has signed are still trusted."""
        return now < self._kept_until.get(kid, -inf)

    def published(self, *, now: float) -> list[jwk.PublicJwk]:
        """The public keys for the JWK Set: active keys, the next ones, and retiring ones whose tokens may be valid."""
        return [
            json.loads(key.public_key) for key in self.snapshot.keys if key.kept_until is None or now < key.kept_until
        ]

    def _signer(self, key: SigningKeyFacts, typ: str) -> Signer:
        signer = self._signers.get((key.kid, typ))
        if signer is None:
            private_key = jwk.load_private(decrypt_private_key(key.kid, key.private_key))
            header = header_of(key.kid, key.algorithm, typ=typ)
            signer = Signer(key.kid, header, jwk.ALGORITHMS[key.algorithm], private_key)
            self._signers[key.kid, typ] = signer
        return signer


@lru_cache(maxsize=2)
def keyring(snapshot: SigningKeysSnapshot) -> Keyring:
    """The keyring of the snapshot; an equal snapshot has the same one.

    Without the cache, a warm validation of a token takes 50 % more CPU time, and a token request, which decrypts the
    private key, twice as much (``make bench``).
    """
    return Keyring(snapshot)


def _verifier(key: SigningKeyFacts) -> Verifier:
    public_key = jwk.load_public(json.loads(key.public_key))
    return Verifier(key.kid, jwk.ALGORITHMS[key.algorithm], public_key, key.kept_until)
