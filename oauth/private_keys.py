"""Encrypt signing keys at rest: the private half is bound to its kid, so that it cannot be swapped with another key."""

from portal.encryption import decrypt, encrypt


def encrypt_private_key(kid: str, private: bytes) -> str:
    """Encrypt the private half for storage."""
    return encrypt(private, bound_to=_bound(kid))


def decrypt_private_key(kid: str, encrypted: str) -> bytes:
    """Decrypt the private half; raises CannotDecrypt."""
    return decrypt(encrypted, bound_to=_bound(kid))


def _bound(kid: str) -> str:
    return f"signing key {kid}"
