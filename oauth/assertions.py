"""Client assertions (``private_key_jwt``, RFC 7523 §3 as updated by RFC 10070): whose one is, whether it is genuine.

Pure. A key is taken from those that the client has registered, never from the assertion: its header may name one of
them by ``kid`` and say nothing else. Whether it is used for the first time is asked elsewhere.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
import msgspec
from msgspec import Struct

from oauth.jwk import PublicJwk, load_public

MAX_ASSERTION_CHARS = 16_384
MAX_JTI_CHARS = 256
MAX_LIFETIME_S = 300
AHEAD_S = 5  # how far a client's clock may be ahead of ours
TYPES = frozenset({"JWT", "client-authentication+jwt"})
_HEADER = frozenset({"alg", "kid", "typ"})


class Assertion(NamedTuple):
    """A genuine assertion; instants are seconds since the epoch."""

    jti: str
    issued_at: float
    expires_at: float
    kid: str


class PublicKey(NamedTuple):
    """A key that a client has registered."""

    kid: str
    algorithm: str
    key: Any


class _Claimed(Struct):
    sub: str


class _Claims(Struct):
    iss: str
    sub: str
    aud: str
    jti: str
    exp: float
    iat: float
    nbf: float = 0


_claimed = msgspec.json.Decoder(_Claimed)
_claims = msgspec.json.Decoder(_Claims)
_jwks = msgspec.json.Decoder(list[PublicJwk])


@lru_cache(maxsize=1024)
def public_keys(jwks: bytes) -> tuple[PublicKey, ...]:
    """The keys of a client's snapshot."""
    return tuple(PublicKey(jwk["kid"], jwk["alg"], load_public(jwk)) for jwk in _jwks.decode(jwks))


def claimed_subject(text: str) -> str | None:
    """Whose assertion it says it is, so that the client can be looked up; nothing of it is believed yet."""
    parts = text.split(".") if len(text) <= MAX_ASSERTION_CHARS else []
    if len(parts) != 3:
        return None
    try:
        return _claimed.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).sub
    except (ValueError, RecursionError):
        return None


def check(text: str, keys: Sequence[PublicKey], *, client_id: str, issuer: str, now: float) -> Assertion | None:
    """The assertion, if one of the keys signed it, and it is for us alone, of now and of this client; else None."""
    for public_key in _candidates(text, keys):
        claims = _verified(text, public_key)
        if claims is not None and _is_of_now(claims, now) and claims.iss == claims.sub == client_id:
            # RFC 10070: our issuer, as a string, is the only audience; an endpoint's address is none.
            is_for_us = claims.aud == issuer and 0 < len(claims.jti) <= MAX_JTI_CHARS
            return Assertion(claims.jti, claims.iat, claims.exp, public_key.kid) if is_for_us else None
    return None


def _candidates(text: str, keys: Sequence[PublicKey]) -> list[PublicKey]:
    """The keys that the header leaves."""
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return []
    typ = header.get("typ", "JWT")
    if not header.keys() <= _HEADER or not isinstance(typ, str) or typ not in TYPES:
        return []
    return [key for key in keys if key.algorithm == header.get("alg") and header.get("kid", key.kid) == key.kid]


def _verified(text: str, public_key: PublicKey) -> _Claims | None:
    try:
        decoded = jwt.PyJWS().decode_complete(text, public_key.key, algorithms=[public_key.algorithm])
        return _claims.decode(decoded["payload"])
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None


def _is_of_now(claims: _Claims, now: float) -> bool:
    is_begun = max(claims.iat, claims.nbf) <= now + AHEAD_S
    return is_begun and now < claims.exp <= claims.iat + MAX_LIFETIME_S
