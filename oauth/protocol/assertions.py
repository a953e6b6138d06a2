"""Verify client assertions (``private_key_jwt``, RFC 7523 §3 as updated by RFC 10070). Pure.

The verifying key is always one that the client has registered, never one from the assertion: the header may select a
registered key by ``kid``, and may hold ``alg`` and ``typ`` and no other member. An assertion costs at most one
signature check. The check for replays is made elsewhere.
"""

import base64
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
import msgspec
from msgspec import Struct

from oauth.protocol.jwk import ALGORITHM_OF, load_foreign

MAX_ASSERTION_CHARS = 16_384
MAX_JTI_CHARS = 256
MAX_LIFETIME_S = 300
AHEAD_S = 10  # how far a client's clock may be ahead of ours
TYPES = frozenset({"JWT", "client-authentication+jwt"})
_HEADER = frozenset({"alg", "kid", "typ"})


class Assertion(NamedTuple):
    """A genuine assertion; times are seconds since the epoch."""

    jti: str
    issued_at: float
    expires_at: float
    kid: str


class AssertionFlaw(StrEnum):
    """The rule that a signed assertion breaks, worded for the client's developer."""

    CLAIMS = (
        "The assertion has iss, sub, aud and jti as text, and exp and iat as numbers;"
        f" the jti has 1 to {MAX_JTI_CHARS} characters."
    )
    CLIENT = "The iss and the sub of the assertion are both the client_id."
    AUDIENCE = "The aud of the assertion is the issuer of the metadata, as one string and nothing else."
    LIFETIME = f"The assertion expires (exp) at most {MAX_LIFETIME_S} seconds after it was issued (iat)."
    AHEAD = f"The iat or nbf of the assertion is more than {AHEAD_S} seconds ahead of the clock here."
    EXPIRED = "The assertion has expired by the clock here."


class PublicKey(NamedTuple):
    """A public key that a client has registered."""

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


@lru_cache(maxsize=1024)
def public_keys(jwks: bytes) -> tuple[PublicKey, ...]:
    """The keys of a client's snapshot; a stored key that the present rules refuse is left out.

    Without the cache, a check of an ES256 assertion takes a quarter more CPU time.
    """
    try:
        stored = msgspec.json.decode(jwks)
    except (ValueError, RecursionError):
        return ()
    keys = [_public_key(each) for each in stored] if isinstance(stored, list) else []
    return tuple(key for key in keys if key is not None)


def _public_key(jwk: object) -> PublicKey | None:
    try:
        key = load_foreign(jwk)
    except ValueError:
        return None
    match jwk:
        case {"kid": str(kid), "kty": str(kty)}:
            return PublicKey(kid, ALGORITHM_OF[kty], key)
    return None


def claimed_subject(text: str) -> str | None:
    """The ``sub`` of an assertion, not verified, to look up the client; None if it cannot be read."""
    parts = text.split(".") if len(text) <= MAX_ASSERTION_CHARS else []
    if len(parts) != 3:
        return None
    try:
        return _claimed.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).sub
    except (ValueError, RecursionError):
        return None


def check(text: str, jwks: bytes, *, client_id: str, issuer: str, now: float) -> Assertion | AssertionFlaw | None:
    """Verify an assertion: its signature, issuer, subject, audience and times.

    Returns a Flaw for an assertion that the client's key signed and that breaks a rule. Returns None if no key of the
    client signed it: then the response must not say more.
    """
    public_key = _key_for(text, public_keys(jwks))
    payload = _verified(text, public_key) if public_key else None
    if public_key is None or payload is None:
        return None
    try:
        claims = _claims.decode(payload)
    except (ValueError, RecursionError):
        return AssertionFlaw.CLAIMS
    flaw = _flaw(claims, client_id, issuer, now)
    return flaw or Assertion(claims.jti, claims.iat, claims.exp, public_key.kid)


def _key_for(text: str, keys: Sequence[PublicKey]) -> PublicKey | None:
    """The registered key that the header's ``kid`` and ``alg`` select; without ``kid`` the only key of that ``alg``."""
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    typ = header.get("typ", "JWT")
    if not header.keys() <= _HEADER or not isinstance(typ, str) or typ not in TYPES:
        return None
    left = [key for key in keys if key.algorithm == header.get("alg") and header.get("kid", key.kid) == key.kid]
    return left[0] if len(left) == 1 else None


def _verified(text: str, public_key: PublicKey) -> bytes | None:
    try:
        decoded = jwt.PyJWS().decode_complete(text, public_key.key, algorithms=[public_key.algorithm])
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    payload: bytes = decoded["payload"]
    return payload


def _flaw(claims: _Claims, client_id: str, issuer: str, now: float) -> AssertionFlaw | None:
    """The first rule that the claims break, or None."""
    if not 0 < len(claims.jti) <= MAX_JTI_CHARS:
        return AssertionFlaw.CLAIMS
    if not claims.iss == claims.sub == client_id:
        return AssertionFlaw.CLIENT
    if claims.aud != issuer:  # RFC 10070: the only audience is our issuer, as a string, not an endpoint's URL
        return AssertionFlaw.AUDIENCE
    if not claims.iat < claims.exp <= claims.iat + MAX_LIFETIME_S:
        return AssertionFlaw.LIFETIME
    if not max(claims.iat, claims.nbf) <= now + AHEAD_S:
        return AssertionFlaw.AHEAD
    return None if now < claims.exp else AssertionFlaw.EXPIRED
