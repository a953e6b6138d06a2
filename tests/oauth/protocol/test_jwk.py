"""Which public keys a client may bring."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from oauth.protocol import jwk
from tests.support.oauth.key_pairs import PAIRS

EC_KEY, RSA_KEY, OKP_KEY = (PAIRS[algorithm].public for algorithm in ("ES256", "RS256", "EdDSA"))
PRIVATE = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
P384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
SHORT = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)  # noqa: S505  # too short


def b64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


def costly() -> dict[str, str]:
    """An RSA key of usual length whose exponent is as long: each check costs fifty times as much."""
    modulus = int.from_bytes(base64.urlsafe_b64decode(RSA_KEY["n"] + "=="))
    return RSA_KEY | {"e": b64(modulus - 2)}


def test_an_rsa_key_costs_what_ours_cost() -> None:
    assert jwk.clean_jwks([RSA_KEY | {"e": "AAEAAQ"}])[0]["e"] == "AAEAAQ"  # the same number
    for key in (costly(), RSA_KEY | {"e": "Aw"}, RSA_KEY | {"n": b64((1 << 8192) - 1)}, RSA_KEY | {"e": "A" * 50_000}):
        with pytest.raises(ValueError, match="An RSA key has"):
            jwk.clean_jwks([key])


def test_keys_come_out_with_an_id_an_algorithm_and_nothing_else() -> None:
    bare = {name: EC_KEY[name] for name in ("kty", "crv", "x", "y")}
    assert jwk.clean_jwks({"keys": [bare | {"x5u": "https://evil.example.com"}, RSA_KEY, OKP_KEY]}) == [
        EC_KEY, RSA_KEY, OKP_KEY,
    ]  # fmt: skip
    assert jwk.clean_jwks([bare | {"kid": "mine"}])[0]["kid"] == "mine"


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    example = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
        "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
        "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
        "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
    }
    assert jwk.clean_jwks([example])[0]["kid"] == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    "value",
    [
        None, {}, [], "x", {"keys": []}, [1], [{}], [{"kty": ["EC"]}], [{"kty": "oct", "k": "AAAA"}], [PRIVATE], [P384],
        [SHORT], [EC_KEY, EC_KEY], [EC_KEY | {"alg": "HS256"}], [EC_KEY | {"use": "enc"}], [EC_KEY | {"x": "AA"}],
        [EC_KEY | {"y": EC_KEY["x"]}], [EC_KEY | {"x": 7}], [EC_KEY | {"kid": ""}], [EC_KEY | {"kid": "a\n"}],
        [EC_KEY | {"kid": 7}], [OKP_KEY | {"crv": "X25519"}], [OKP_KEY | {"x": "ä"}], [EC_KEY] * 11,
    ],
)  # fmt: skip
def test_what_is_no_public_key_of_ours_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        jwk.clean_jwks(value)
