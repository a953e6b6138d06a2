"""Mint access tokens (RFC 9068) and verify that we minted one. Pure; caches nothing.

A token is accepted only if its header equals, byte for byte, a header that we write. So a token cannot choose the key
that verifies it, and no header member (``alg``, ``typ``, ``jku``, ``jwk``, ``x5u``, ``crit``…) is ever parsed.
The state of the client, the API and the organization is checked elsewhere, on each call.
"""

import binascii
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from jwt.algorithms import Algorithm
from msgspec import Struct

from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S
from oauth.protocol.jti import StatusIndex
from oauth.protocol.status_list import AGGREGATION_PATH

TYPE = "at+jwt"
MAX_TOKEN_CHARS = 16_384
OWN_CLAIMS_BYTES = 256  # upper bound of the claims that differ between tokens: iat, exp, jti, status without its URL
FRAME_CHARS = 640  # upper bound of the header and the longest signature, that of RS256
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


class StatusListClaim(Struct, frozen=True, gc=False):
    """The status index of a token (Token Status List, "Referenced Token")."""

    idx: int
    uri: str


class StatusClaim(Struct, frozen=True, gc=False):
    """The ``status`` claim."""

    status_list: StatusListClaim


class SharedClaims(Struct, frozen=True, kw_only=True, gc=False):
    """Claims shared by all tokens of one client, API and scope set (RFC 9068 §2.2, and ``org``, ``env``, ``gen``).

    ``aud`` is the API's identifier, ``sub`` the client's id, ``org`` the organization's id, ``env`` the environment. A
    token is revoked once its client's generation is greater than ``gen``.
    """

    iss: str
    aud: str
    sub: str
    client_id: str
    scope: str
    org: str
    env: str
    gen: int


class Claims(SharedClaims, frozen=True, kw_only=True, gc=False):
    """All claims of an access token; times are whole seconds since the epoch."""

    iat: int
    exp: int
    jti: str
    status: StatusClaim

    def is_over(self, now: float) -> bool:
        """Whether the token has expired."""
        return self.exp <= now


class Signer(NamedTuple):
    """A key that signs at present."""

    kid: str
    header: str  # base64url, the token's first segment
    algorithm: Algorithm
    private_key: Any

    def __repr__(self) -> str:
        return f"Signer({self.kid!r})"


class Verifier(NamedTuple):
    """A key whose tokens are trusted until ``kept_until``, in seconds since the epoch; None is without end."""

    kid: str
    algorithm: Algorithm
    public_key: Any
    kept_until: float | None


class TokenFlaw(StrEnum):
    """Why a text is no access token of ours, in the order of the checks."""

    MALFORMED = "malformed"
    ISSUER_UNKNOWN = "issuer_unknown"
    SIGNATURE_INVALID = "signature_invalid"


class Genuine(NamedTuple):
    """The claims of a token that we signed, and the key's kid: the token is trusted while the key is."""

    claims: Claims
    kid: str


class UnverifiedToken(NamedTuple):
    """A parsed token that names us as its issuer; its signature is not verified yet."""

    header: str
    signed: bytes
    signature: bytes
    claims: Claims

    def __repr__(self) -> str:
        return "UnverifiedToken(***)"


class _Issued(Struct):
    iss: str


def header_of(kid: str, algorithm: str, *, typ: str = TYPE) -> str:
    """The first segment, in base64url, of each JWT that this key signs."""
    return _encode(msgspec.json.encode({"typ": typ, "alg": algorithm, "kid": kid})).decode()


def mint(signer: Signer, claims: Struct) -> str:
    """The claims as a signed JWT."""
    return sign(signer, msgspec.json.encode(claims))


def sign(signer: Signer, payload: bytes) -> str:
    """The JSON payload as a signed JWT."""
    signed = b"%b.%b" % (signer.header.encode(), _encode(payload))
    return (b"%b.%b" % (signed, _encode(signer.algorithm.sign(signed, signer.private_key)))).decode()


class PayloadTemplate:
    """Payload template of tokens with the same shared claims, which are encoded once for all of them."""

    __slots__ = ("_lists", "_shared")

    def __init__(self, shared: SharedClaims) -> None:
        self._shared = msgspec.json.encode(shared)[:-1]
        self._lists = msgspec.json.encode(f"{shared.iss}{AGGREGATION_PATH}/")[1:-1]

    def fits(self) -> bool:
        """Whether every token of this template is within MAX_TOKEN_CHARS: ``read`` refuses a longer token."""
        payload_bytes = len(self._shared) + len(self._lists) + OWN_CLAIMS_BYTES
        return payload_bytes * 4 // 3 + FRAME_CHARS <= MAX_TOKEN_CHARS

    def payload(self, jti: str, status_index: StatusIndex, *, iat: int, exp: int) -> bytes:
        """The payload of one token: JSON that decodes to ``Claims``."""
        return b'%b,"iat":%d,"exp":%d,"jti":"%b","status":{"status_list":{"idx":%d,"uri":"%b%d"}}}' % (
            self._shared,
            iat,
            exp,
            jti.encode(),
            status_index.idx,
            self._lists,
            status_index.list_number,
        )


def verify(token: str, verifiers: Mapping[str, Verifier], *, issuer: str, now: float) -> Genuine | TokenFlaw:
    """The claims of a token that we signed with a key that is still trusted, or the flaw.

    ``verifiers`` are keyed by header (``header_of``). An expired token is genuine too: check ``claims.is_over``.
    """
    unverified = read(token, issuer=issuer)
    return unverified if isinstance(unverified, TokenFlaw) else check(unverified, verifiers, now=now)


def read(token: str, *, issuer: str) -> UnverifiedToken | TokenFlaw:
    """Parse a token without verifying its signature: anybody may have written the claims. Returns them or the flaw."""
    match = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN_CHARS else None
    payload = _decode(match[2]) if match else None
    if match is None or payload is None:
        return TokenFlaw.MALFORMED
    claims = _claims(payload)
    if claims is None or claims.iss != issuer:
        return _flaw(payload, issuer)
    signature = _decode(match[3])
    if signature is None:
        return TokenFlaw.SIGNATURE_INVALID
    return UnverifiedToken(match[1], token[: match.end(2)].encode(), signature, claims)


def _flaw(payload: bytes, issuer: str) -> TokenFlaw:
    """The flaw of a payload that is not valid ``Claims``, or that has another issuer."""
    try:
        issued = _issued.decode(payload)
    except msgspec.ValidationError:
        return TokenFlaw.ISSUER_UNKNOWN
    except _UNREADABLE:
        return TokenFlaw.MALFORMED
    return TokenFlaw.SIGNATURE_INVALID if issued.iss == issuer else TokenFlaw.ISSUER_UNKNOWN


def check(unverified: UnverifiedToken, verifiers: Mapping[str, Verifier], *, now: float) -> Genuine | TokenFlaw:
    """Verify the signature with the key that the header names. A key that is no longer trusted verifies nothing."""
    verifier = verifiers.get(unverified.header)
    if verifier is None or (verifier.kept_until is not None and verifier.kept_until <= now):
        return TokenFlaw.SIGNATURE_INVALID
    if not verifier.algorithm.verify(unverified.signed, verifier.public_key, unverified.signature):
        return TokenFlaw.SIGNATURE_INVALID
    return Genuine(unverified.claims, verifier.kid)


_PLAIN = bytes.maketrans(b"-_", b"+/")
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_issued = msgspec.json.Decoder(_Issued)
_decoder = msgspec.json.Decoder(Claims)


def _claims(payload: bytes) -> Claims | None:
    """The claims, or None if one has the wrong type or the lifetime is out of bounds; a string is not a number."""
    try:
        claims = _decoder.decode(payload)
    except _UNREADABLE:
        return None
    return claims if 0 < claims.iat < claims.exp <= claims.iat + MAX_TOKEN_LIFETIME_S else None


def _encode(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).translate(_URLSAFE, b"=")


def _decode(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text.encode().translate(_PLAIN) + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None
