"""What is no access token of ours, however it is dressed up; others' libraries read what is."""

import base64
import hmac
import json
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth.protocol import jwk
from oauth.protocol.access_token import (
    Claims,
    Genuine,
    PayloadTemplate,
    SharedClaims,
    Signer,
    StatusClaim,
    StatusListClaim,
    TokenFlaw,
    Verifier,
    header_of,
    mint,
    verify,
)
from oauth.protocol.jti import StatusIndex, new_jti, status_index_of, status_index_text
from tests.support.oauth.claims import ISSUER, claims
from tests.support.oauth.key_pairs import PAIRS

NOW = 1_800_000_000
SIGNERS = {
    algorithm: Signer(
        pair.kid, header_of(pair.kid, algorithm), jwk.ALGORITHMS[algorithm], jwk.load_private(pair.private)
    )
    for algorithm, pair in PAIRS.items()
}
VERIFIERS = {
    header_of(pair.kid, algorithm): Verifier(pair.kid, jwk.ALGORITHMS[algorithm], jwk.load_public(pair.public), None)
    for algorithm, pair in PAIRS.items()
}
ES256 = PAIRS["ES256"]


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def judged(token: str, *, now: float = NOW) -> Genuine | TokenFlaw:
    return verify(token, VERIFIERS, issuer=ISSUER, now=now)


def signed(header: dict[str, Any], payload: dict[str, Any]) -> str:
    """What our own key signs, with any header and any claims."""
    text = f"{encode(header)}.{encode(payload)}"
    signature = SIGNERS["ES256"].algorithm.sign(text.encode(), SIGNERS["ES256"].private_key)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


HEADER = {"typ": "at+jwt", "alg": "ES256", "kid": ES256.kid}
PAYLOAD: dict[str, Any] = msgspec.to_builtins(claims(now=NOW))


@given(st.tuples(*[st.text()] * 7), st.integers(0, 2**31))
def test_a_draft_says_what_its_claims_would(texts: tuple[str, ...], gen: int) -> None:
    names = ("iss", "aud", "sub", "client_id", "scope", "org", "env")
    shared = dict(zip(names, texts, strict=True))
    status_index = StatusIndex(3, 70_000)
    jti = new_jti(status_index)
    status = StatusClaim(StatusListClaim(status_index.idx, f"{shared['iss']}/oauth/status/{status_index.list_number}"))
    whole = Claims(**shared, gen=gen, iat=NOW, exp=NOW + 60, jti=jti, status=status)
    assert PayloadTemplate(SharedClaims(**shared, gen=gen)).payload(
        jti, status_index, iat=NOW, exp=NOW + 60
    ) == msgspec.json.encode(whole)


@pytest.mark.parametrize("algorithm", jwk.ALGORITHMS)
def test_what_was_minted_is_genuine_and_others_can_verify_it(algorithm: str) -> None:
    token = mint(SIGNERS[algorithm], claims(now=NOW))
    assert judged(token) == Genuine(claims(now=NOW), PAIRS[algorithm].kid)
    assert jwt.get_unverified_header(token) == {"typ": "at+jwt", "alg": algorithm, "kid": PAIRS[algorithm].kid}
    read = jwt.decode(
        token,
        jwt.PyJWK(PAIRS[algorithm].public),
        algorithms=[algorithm],
        audience="https://orders.example.com",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert read == PAYLOAD


def test_our_own_spelling_of_a_header_is_the_one_that_counts() -> None:
    assert isinstance(judged(mint(SIGNERS["ES256"], claims(now=NOW))), Genuine)
    assert msgspec.json.encode(HEADER) == base64.urlsafe_b64decode(SIGNERS["ES256"].header + "==")


@pytest.mark.parametrize(
    "header",
    [
        HEADER | {"alg": "none"},
        HEADER | {"alg": "HS256"},
        HEADER | {"alg": "RS256"},
        HEADER | {"alg": ["ES256"]},
        HEADER | {"typ": "JWT"},
        HEADER | {"typ": "token-introspection+jwt"},
        HEADER | {"typ": "client-authentication+jwt"},
        {"alg": "ES256", "kid": ES256.kid},
        HEADER | {"kid": "unknown"},
        HEADER | {"kid": "../../x"},
        HEADER | {"kid": None},
        {"typ": "at+jwt", "alg": "ES256"},
        HEADER | {"jku": "https://evil.example.com/jwks"},
        HEADER | {"jwk": PAIRS["EdDSA"].public},
        HEADER | {"x5u": "https://evil.example.com/x"},
        HEADER | {"x5c": ["AAAA"]},
        HEADER | {"crit": ["exp"]},
        HEADER | {"b64": False},
        {},
        [],
    ],
)
def test_no_header_but_ours_is_believed_even_over_a_right_signature(header: Any) -> None:
    """T6: algorithm confusion, ``none``, and every way for a token to name its own key. No socket is open here."""
    assert judged(signed(header, PAYLOAD)) is TokenFlaw.SIGNATURE_INVALID


def test_our_public_key_is_no_shared_secret() -> None:
    text = f"{encode({'typ': 'at+jwt', 'alg': 'HS256', 'kid': ES256.kid})}.{encode(PAYLOAD)}"
    for secret in (json.dumps(ES256.public).encode(), ES256.public["x"].encode()):
        mac = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")).rstrip(b"=").decode()
        assert judged(f"{text}.{mac}") is TokenFlaw.SIGNATURE_INVALID
        assert judged(f"{SIGNERS['ES256'].header}.{text.split('.')[1]}.{mac}") is TokenFlaw.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": str(NOW + 900)},
        {"exp": 10**50},
        {"exp": NOW + 86_401},
        {"exp": float(NOW + 900) + 0.5},
        {"exp": None},
        {"exp": True},
        {"exp": NOW},
        {"iat": -5},
        {"iat": str(NOW)},
        {"aud": ["https://orders.example.com"]},
        {"sub": 7},
        {"gen": "1"},
        {"scope": ["orders:read"]},
        {"status": {}},
        {"jti": None},
    ],
    ids=str,
)
def test_claims_of_another_type_or_out_of_bounds_are_refused(changed: dict[str, Any]) -> None:
    """T7: ``exp`` is a whole number within the longest life, however the token is signed."""
    payload = claims(now=NOW)
    assert isinstance(judged(signed_as_ours(msgspec.to_builtins(payload))), Genuine)
    assert judged(signed_as_ours(PAYLOAD | changed)) is TokenFlaw.SIGNATURE_INVALID
    for name in changed:
        assert judged(signed_as_ours({key: value for key, value in PAYLOAD.items() if key != name})) is (
            TokenFlaw.SIGNATURE_INVALID
        )


def signed_as_ours(payload: dict[str, Any]) -> str:
    """Any claims under our own header."""
    text = f"{SIGNERS['ES256'].header}.{encode(payload)}"
    signature = SIGNERS["ES256"].algorithm.sign(text.encode(), SIGNERS["ES256"].private_key)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_a_changed_token_is_refused() -> None:
    head, body, signature = mint(SIGNERS["ES256"], claims(now=NOW)).split(".")
    other = encode(PAYLOAD | {"scope": "refunds:write"})
    assert judged(f"{head}.{other}.{signature}") is TokenFlaw.SIGNATURE_INVALID
    assert judged(f"{head}.{body}.{signature[:-4]}") is TokenFlaw.SIGNATURE_INVALID
    assert judged(f"{SIGNERS['RS256'].header}.{body}.{signature}") is TokenFlaw.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "issuer", [{"iss": "https://evil.example.com"}, {"iss": ISSUER + "/"}, {"iss": 7}, {"iss": None}]
)
def test_another_issuers_token_is_not_looked_at_further(issuer: dict[str, Any]) -> None:
    assert judged(signed_as_ours(PAYLOAD | issuer)) is TokenFlaw.ISSUER_UNKNOWN


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c.d", "a.!.c", "..", ".e30.", "a.e30=.c", "a.bm9qc29u.c", "a.e30.c\n", "ä.e30.c",
     "a." + "W1tb" * 3000 + ".c", "a.e30." + "c" * 17_000, "a.//8.c", "a._w.c"],
)  # fmt: skip
def test_what_is_no_token_at_all_is_malformed(text: str) -> None:
    assert judged(text) in {TokenFlaw.MALFORMED, TokenFlaw.ISSUER_UNKNOWN}


@given(st.text(), st.binary(max_size=64))
def test_nothing_makes_the_reader_stumble(text: str, raw: bytes) -> None:
    spelled = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    for token in (text, f"{SIGNERS['ES256'].header}.{spelled}.{spelled}", f"{spelled}.{encode(PAYLOAD)}.{spelled}"):
        assert isinstance(judged(token), TokenFlaw)


def test_a_key_is_believed_until_it_is_retired() -> None:
    header = SIGNERS["ES256"].header
    kept = {header: VERIFIERS[header]._replace(kept_until=NOW + 10.0)}
    token = mint(SIGNERS["ES256"], claims(now=NOW))
    assert isinstance(verify(token, kept, issuer=ISSUER, now=NOW + 9.9), Genuine)
    assert verify(token, kept, issuer=ISSUER, now=NOW + 10) is TokenFlaw.SIGNATURE_INVALID


def test_a_token_is_over_at_the_instant_it_says() -> None:
    assert not claims(now=NOW).is_over(NOW + 899.9)
    assert claims(now=NOW).is_over(NOW + 900)


def test_a_signer_hides_its_key() -> None:
    assert repr(SIGNERS["ES256"]) == f"Signer({ES256.kid!r})"
    assert "private" not in repr(ES256)


def test_a_jti_says_where_the_status_stands() -> None:
    """TK13: 128 random bits."""
    jti = new_jti(StatusIndex(3, 1_048_575))
    assert status_index_of(jti) == StatusIndex(3, 1_048_575)
    assert status_index_text(jti) == str(StatusIndex(3, 1_048_575)) == "3.1048575"
    assert len(jti.split(".")[0]) == 22
    assert new_jti(StatusIndex(3, 1)) != new_jti(StatusIndex(3, 1))
    for text in ("", jti + "x", jti.replace(".", ",", 1), "a.1.1", f"{jti.split('.')[0]}.0.1", f"{jti[:22]}.1.01"):
        assert status_index_of(text) is None
