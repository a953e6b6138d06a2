"""The text of an access token (RFC 9068): mint it, and tell whether we did. Pure; caches nothing.

A token is believed only with a header that is, byte for byte, one that we write: so the key it is checked with is never
chosen by it, and nothing that a header could say (``alg``, ``typ``, ``jku``, ``jwk``, ``x5u``, ``crit``…) is ever read.
Whether its client, API and organization still stand behind it is decided elsewhere, on each call.
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
from oauth.protocol.jti import Place
from oauth.protocol.status_list import AGGREGATION_PATH

TYPE = "at+jwt"
MAX_TOKEN_CHARS = 16_384
OWN_CLAIMS_BYTES = 256  # at most, of what differs from token to token: instants, jti, status without its address
FRAME_CHARS = 640  # at most, of the header and the longest signature, RS256's
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


class StatusListClaim(Struct, frozen=True, gc=False):
    """The place of a token's status (Token Status List, "Referenced Token")."""

    idx: int
    uri: str


class StatusClaim(Struct, frozen=True, gc=False):
    """How a token's status is looked up."""

    status_list: StatusListClaim


class SharedClaims(Struct, frozen=True, kw_only=True, gc=False):
    """What access tokens say alike that a client is given for the same (RFC 9068 §2.2 and ours).

    ``aud`` is the API's identifier, ``sub`` the client itself, ``org`` and ``env`` whom and what it is for; a token is
    revoked once its client's generation is past ``gen``.
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
    """What an access token says; instants are whole seconds since the epoch."""

    iat: int
    exp: int
    jti: str
    status: StatusClaim

    def is_over(self, now: float) -> bool:
        """Whether the token has expired."""
        return self.exp <= now


class Signer(NamedTuple):
    """A key that signs now."""

    kid: str
    header: str  # base64url, as it begins the token
    algorithm: Algorithm
    private_key: Any

    def __repr__(self) -> str:
        return f"Signer({self.kid!r})"


class Verifier(NamedTuple):
    """A key whose tokens are believed; ``kept_until`` in seconds since the epoch."""

    kid: str
    algorithm: Algorithm
    public_key: Any
    kept_until: float | None


class Flaw(StrEnum):
    """Why a text is no access token of ours, in the order in which it is looked at."""

    MALFORMED = "malformed"
    ISSUER_UNKNOWN = "issuer_unknown"
    SIGNATURE_INVALID = "signature_invalid"


class Genuine(NamedTuple):
    """A token that we signed, and the key that did: the token is believed for as long as that is."""

    claims: Claims
    kid: str


class Presented(NamedTuple):
    """A text that says it is an access token of ours; whether we signed it is not known yet."""

    header: str
    signed: bytes
    signature: bytes
    claims: Claims

    def __repr__(self) -> str:
        return "Presented(***)"


class _Issued(Struct):
    iss: str


def header_of(kid: str, algorithm: str, *, typ: str = TYPE) -> str:
    """The first segment of what this key signs."""
    return _encode(msgspec.json.encode({"typ": typ, "alg": algorithm, "kid": kid})).decode()


def mint(signer: Signer, claims: Struct) -> str:
    """The claims, signed."""
    return sign(signer, msgspec.json.encode(claims))


def sign(signer: Signer, payload: bytes) -> str:
    """A token with this payload."""
    signed = b"%b.%b" % (signer.header.encode(), _encode(payload))
    return (b"%b.%b" % (signed, _encode(signer.algorithm.sign(signed, signer.private_key)))).decode()


class Draft:
    """Access tokens that differ in when, for how long and where their status stands: the rest is written once."""

    __slots__ = ("_lists", "_shared")

    def __init__(self, shared: SharedClaims) -> None:
        self._shared = msgspec.json.encode(shared)[:-1]
        self._lists = msgspec.json.encode(f"{shared.iss}{AGGREGATION_PATH}/")[1:-1]

    def fits(self) -> bool:
        """Whether each of its tokens is short enough to be presented: a longer one would only ever be malformed."""
        payload_bytes = len(self._shared) + len(self._lists) + OWN_CLAIMS_BYTES
        return payload_bytes * 4 // 3 + FRAME_CHARS <= MAX_TOKEN_CHARS

    def payload(self, jti: str, place: Place, *, iat: int, exp: int) -> bytes:
        """``Claims`` as they are encoded."""
        return b'%b,"iat":%d,"exp":%d,"jti":"%b","status":{"status_list":{"idx":%d,"uri":"%b%d"}}}' % (
            self._shared,
            iat,
            exp,
            jti.encode(),
            place.idx,
            self._lists,
            place.list_number,
        )


def verify(token: str, verifiers: Mapping[str, Verifier], *, issuer: str, now: float) -> Genuine | Flaw:
    """The claims of a token that we signed with a key that is still believed, or what is wrong with it.

    ``verifiers`` are by header (``header_of``). An expired token is genuine, too: ask ``claims.is_over``.
    """
    presented = read(token, issuer=issuer)
    return presented if isinstance(presented, Flaw) else check(presented, verifiers, now=now)


def read(token: str, *, issuer: str) -> Presented | Flaw:
    """What the text says of itself, which anybody may have written; or what is wrong with it."""
    match = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN_CHARS else None
    payload = _decode(match[2]) if match else None
    if match is None or payload is None:
        return Flaw.MALFORMED
    claims = _claims(payload)
    if claims is None or claims.iss != issuer:
        return _flaw(payload, issuer)
    signature = _decode(match[3])
    if signature is None:
        return Flaw.SIGNATURE_INVALID
    return Presented(match[1], token[: match.end(2)].encode(), signature, claims)


def _flaw(payload: bytes, issuer: str) -> Flaw:
    """What is wrong with claims that are not such as we make."""
    try:
        issued = _issued.decode(payload)
    except msgspec.ValidationError:
        return Flaw.ISSUER_UNKNOWN
    except _UNREADABLE:
        return Flaw.MALFORMED
    return Flaw.SIGNATURE_INVALID if issued.iss == issuer else Flaw.ISSUER_UNKNOWN


def check(presented: Presented, verifiers: Mapping[str, Verifier], *, now: float) -> Genuine | Flaw:
    """The claims, if a key signed them that is still believed."""
    verifier = verifiers.get(presented.header)
    if verifier is None or (verifier.kept_until is not None and verifier.kept_until <= now):
        return Flaw.SIGNATURE_INVALID
    if not verifier.algorithm.verify(presented.signed, verifier.public_key, presented.signature):
        return Flaw.SIGNATURE_INVALID
    return Genuine(presented.claims, verifier.kid)


_PLAIN = bytes.maketrans(b"-_", b"+/")
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_issued = msgspec.json.Decoder(_Issued)
_decoder = msgspec.json.Decoder(Claims)


def _claims(payload: bytes) -> Claims | None:
    """The claims where each has its type and the life of the token its bounds; strings are no numbers."""
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
