"""Make, load and check the JWKs (RFC 7517) of tokens and client assertions: only ES256, RS256 and EdDSA. Pure.

Each key type has one algorithm, so that the key determines the algorithm that it may verify.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

RSA_BITS = 2048
MAX_RSA_BITS = 4096
RSA_EXPONENT = 65537
MAX_PUBLIC_KEYS = 10
MAX_KID_CHARS = 128


class _Es256(ECAlgorithm):
    """ES256 (RFC 7518 §3.4) that builds the hash and curve objects once, not for each signature."""

    def __init__(self) -> None:
        super().__init__(ECAlgorithm.SHA256, ec.SECP256R1)
        self._ecdsa = ec.ECDSA(SHA256())

    def sign(self, msg: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
        """The signature in JOSE form: r and s, 32 bytes each."""
        r, s = decode_dss_signature(key.sign(msg, self._ecdsa))
        return r.to_bytes(32) + s.to_bytes(32)

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Whether the key made this signature, given in JOSE form."""
        if len(sig) != 64:
            return False
        try:
            key.verify(encode_dss_signature(int.from_bytes(sig[:32]), int.from_bytes(sig[32:])), msg, self._ecdsa)
        except InvalidSignature:
            return False
        return True


ALGORITHMS: Mapping[str, Algorithm] = {
    "ES256": _Es256(),
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "EdDSA": OKPAlgorithm(),
}
ALGORITHM_OF = {"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}
_CURVE_OF = {"EC": "P-256", "OKP": "Ed25519"}
# The members of a thumbprint (RFC 7638 §3.2, RFC 8037 §2); they are also the complete public key.
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

PublicJwk = dict[str, str]


@dataclass(frozen=True)
class KeyPair:
    """A new signing key; its private half (PKCS #8, DER) is left out of ``repr``."""

    kid: str
    public: PublicJwk
    private: bytes = field(repr=False)


def generate(algorithm: str) -> KeyPair:
    """A new key for the algorithm; its kid is its thumbprint."""
    key = _generate(algorithm)
    public = _named(ALGORITHMS[algorithm].to_jwk(key.public_key(), as_dict=True))
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(public["kid"], public, private)


def load_public(jwk: PublicJwk) -> Any:
    """The public key of a JWK of ours, for ``ALGORITHMS[jwk["alg"]]``."""
    return ALGORITHMS[jwk["alg"]].from_jwk(dict(jwk))


def load_foreign(jwk: object) -> Any:
    """The public key of a JWK from outside; raises ValueError for a key that is not accepted.

    All keys from outside are loaded here. The numbers of an RSA key determine the cost of a signature check: with an
    exponent as long as the modulus it costs fifty times as much. So the numbers are bounded before the key is built.
    """
    names = _members(jwk) if isinstance(jwk, dict) else ()
    if not names or not isinstance(jwk, dict) or not all(isinstance(jwk.get(name), str) for name in names):
        raise ValueError("Each key is a JWK of type EC (P-256), RSA or OKP (Ed25519).")
    members: PublicJwk = {name: jwk[name] for name in names}
    if members["kty"] == "RSA":
        _refuse_costly_rsa(members)
    elif members["crv"] != _CURVE_OF[members["kty"]]:
        raise ValueError("The curves are P-256 and Ed25519.")
    try:
        return ALGORITHMS[ALGORITHM_OF[members["kty"]]].from_jwk(dict(members))
    except (InvalidKeyError, ValueError, TypeError):
        raise ValueError("A key cannot be read.") from None


def _refuse_costly_rsa(members: Mapping[str, str]) -> None:
    if len(members["n"]) > MAX_RSA_BITS or len(members["e"]) > MAX_KID_CHARS:  # before decoding, which costs time
        raise ValueError(f"An RSA key has {RSA_BITS} to {MAX_RSA_BITS} bits, and the exponent {RSA_EXPONENT}.")
    try:
        modulus, exponent = (_number(members[name]) for name in ("n", "e"))
    except ValueError:
        raise ValueError("A key cannot be read.") from None
    if not RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise ValueError(f"An RSA key has {RSA_BITS} to {MAX_RSA_BITS} bits.")
    if exponent != RSA_EXPONENT:
        raise ValueError(f"An RSA key has the exponent {RSA_EXPONENT}: its e is AQAB.")


def _number(text: str) -> int:
    return int.from_bytes(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))


def load_private(der: bytes) -> Any:
    """The private key in PKCS #8, DER."""
    return load_der_private_key(der, password=None)


def clean_jwks(value: object) -> list[PublicJwk]:
    """The public keys of a JWK Set or of a list of JWKs, in the form that is stored; raises ValueError.

    Each key gets ``alg``, ``use`` and a ``kid`` that is unique in the set. The default ``kid`` is the thumbprint.
    """
    keys = value.get("keys") if isinstance(value, dict) else value
    if not isinstance(keys, list) or not keys:
        raise ValueError('Give a JWK Set such as {"keys": [{"kty": "EC", …}]}.')
    if len(keys) > MAX_PUBLIC_KEYS:
        raise ValueError(f"At most {MAX_PUBLIC_KEYS} keys; this has {len(keys)}.")
    cleaned = [_clean(key) for key in keys]
    if len({key["kid"] for key in cleaned}) != len(cleaned):
        raise ValueError("Two keys have the same kid.")
    return cleaned


def _generate(algorithm: str) -> Any:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "RS256":
        return rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"no algorithm of ours: {algorithm}")


def _clean(key: Any) -> PublicJwk:
    load_foreign(key)
    if _PRIVATE_MEMBERS & key.keys():
        raise ValueError("This holds a private key. It is known to others now: make another, and give its public half.")
    jwk = _named({name: key[name] for name in _members(key)}, kid=key.get("kid"))
    if key.get("alg", jwk["alg"]) != jwk["alg"] or key.get("use", "sig") != "sig":
        raise ValueError(f"A key of type {jwk['kty']} signs with {jwk['alg']} here.")
    return jwk


def _members(key: Mapping[str, object]) -> Sequence[str]:
    """The names of the key's members; none for a key type that is not supported."""
    kty = key.get("kty")
    return _MEMBERS.get(kty, ()) if isinstance(kty, str) else ()


def _named(jwk: Mapping[str, str], *, kid: object = None) -> PublicJwk:
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_CHARS and kid.isprintable()):
        raise ValueError(f"A kid is text of at most {MAX_KID_CHARS} characters.")
    return {**members, "kid": kid or _thumbprint(members), "alg": ALGORITHM_OF[jwk["kty"]], "use": "sig"}


def _thumbprint(members: Mapping[str, str]) -> str:
    """The thumbprint of a JWK (RFC 7638 §3)."""
    text = json.dumps(dict(sorted(members.items())), separators=(",", ":"))
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
