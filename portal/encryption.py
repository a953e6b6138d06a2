"""Encrypt values that must be readable again (TOTP seeds, recovery seeds, signing keys) with AES-256-GCM.

The format is ``<version>:<base64url of nonce and ciphertext>``. The newest of ``ENCRYPTION_KEYS`` encrypts; every one
decrypts. The associated data are the key's version and, if the caller gives one, the name of the value's owner, so that
a ciphertext copied to another owner does not decrypt.
"""

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The text was not encrypted under any known key, or was changed since."""


def encrypt(plain: bytes, *, bound_to: str = "") -> str:
    """Encrypt under the newest key; decryption needs the same ``bound_to``."""
    newest = settings.ENCRYPTION_KEYS[0]
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(newest.key).encrypt(nonce, plain, _bound(newest.version, bound_to))
    return f"{newest.version}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(text: str, *, bound_to: str = "") -> bytes:
    """Decrypt the text; raise CannotDecrypt."""
    version, _, sealed = text.partition(":")
    key = next((known.key for known in settings.ENCRYPTION_KEYS if known.version == version), None)
    if key is None:
        raise CannotDecrypt(f"no key of version {version[:16]!r} in ENCRYPTION_KEYS")
    try:
        raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(raw).decode() != sealed:  # the last character has unused bits
            raise CannotDecrypt("the text was changed")
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(version, bound_to))
    except (InvalidTag, binascii.Error, ValueError) as exc:
        raise CannotDecrypt("the text was changed") from exc


def _bound(version: str, bound_to: str) -> bytes:
    return (f"{version}\0{bound_to}" if bound_to else version).encode()
