"""Signing keys at rest: the private half is encrypted, bound to its kid, so that no other key can stand in for it."""

from portal.encryption import decrypt, encrypt


def seal(kid: str, private: bytes) -> str:
    """The private half, as it is stored."""
    return encrypt(private, bound_to=_bound(kid))


def unseal(kid: str, sealed: str) -> bytes:
    """The private half again; raises CannotDecrypt."""
    return decrypt(sealed, bound_to=_bound(kid))


def _bound(kid: str) -> str:
    return f"signing key {kid}"
