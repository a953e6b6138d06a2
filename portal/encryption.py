"""Encrypt what must be read again (TOTP seeds, recovery seeds, signing keys): AES-256-GCM under ``ENCRYPTION_KEYS``.

``<version>:<base64url of nonce and ciphertext>``. The newest key encrypts, all decrypt. Bound in as associated data are
the version and, where the caller gives one, the name of what the value belongs to: it passes for no other's.
"""

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The text was not encrypted under any key we have, or was changed since."""


def encrypt(plain: bytes, *, bound_to: str = "") -> str:
    """The bytes, encrypted under the newest key; only who names the same ``bound_to`` can decrypt them."""
    newest = settings.ENCRYPTION_KEYS[0]
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(newest.key).encrypt(nonce, plain, _bound(newest.version, bound_to))
    return f"{newest.version}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(text: str, *, bound_to: str = "") -> bytes:
    """The bytes again; raises CannotDecrypt."""
    version, _, sealed = text.partition(":")
    key = next((known.key for known in settings.ENCRYPTION_KEYS if known.version == version), None)
    if key is None:
        raise CannotDecrypt(f"no key of version {version[:16]!r} in ENCRYPTION_KEYS")
    try:
        raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(raw).decode() != sealed:  # the last character has bits that nobody reads
            raise CannotDecrypt("the text was changed")
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(version, bound_to))
    except (InvalidTag, binascii.Error, ValueError) as exc:
        raise CannotDecrypt("the text was changed") from exc


def _bound(version: str, bound_to: str) -> bytes:
    return (f"{version}\0{bound_to}" if bound_to else version).encode()
