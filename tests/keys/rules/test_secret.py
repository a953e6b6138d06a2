"""The text of a secret: what design and docs promise of its shape."""

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.rules.secret import PATTERN, SecretKind, checksum, compose, digest, generate, parse
from portal.ids import ALPHABET
from portal.redaction import MASK, redact

RANDOM = st.text(alphabet=ALPHABET, min_size=32, max_size=32)
BRANDS = st.from_regex(r"\A[a-z0-9]{2,12}\Z")


@given(BRANDS, st.sampled_from(SecretKind), RANDOM)
def test_what_is_composed_is_parsed_back(brand: str, kind: SecretKind, random_part: str) -> None:
    secret = compose(brand, kind, random_part)
    assert parse(secret.text) == secret
    assert re.fullmatch(PATTERN, secret.text)


@pytest.mark.parametrize("kind", SecretKind)
def test_a_secret_of_each_kind_is_masked_in_logs(kind: SecretKind) -> None:
    assert redact(f"said {generate('lk', kind).text}!") == f"said {MASK}!"


@given(RANDOM, st.integers(0, 46), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed_offline(random_part: str, position: int, char: str) -> None:
    text = compose("lk", SecretKind.LIVE, random_part).text
    position = 8 + position % 38
    wrong = text[:position] + char + text[position + 1 :]
    assert (parse(wrong) is None) == (wrong != text)


def test_the_checksum_is_crc32_in_base62_most_significant_first() -> None:
    text = "lk_live_" + "0" * 32
    number = 0
    for char in checksum(text):
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(char)
    assert number == zlib.crc32(text.encode())


@pytest.mark.parametrize("random_part", ["", "0" * 31, "0" * 33, "0" * 31 + "-", "0" * 31 + "é", "0" * 31 + "\n"])
def test_another_length_or_alphabet_is_no_secret(random_part: str) -> None:
    with pytest.raises(ValueError, match="32 base62"):
        compose("lk", SecretKind.LIVE, random_part)


@pytest.mark.parametrize(
    "text", ["", "lk_live_", "lk_live_" + "0" * 38 + "\n", "LK_live_" + "0" * 38, "lk_prod_" + "0" * 38]
)
def test_what_has_another_shape_is_refused(text: str) -> None:
    assert parse(text) is None


def test_a_secret_hides_itself() -> None:
    secret = generate("lk", SecretKind.LIVE)
    assert secret.text not in repr(secret)
    assert secret.hint == f"{secret.text[:12]}…{secret.text[-4:]}"


def test_the_digest_depends_on_the_pepper() -> None:
    assert digest("text", b"a" * 32) != digest("text", b"b" * 32)
    assert len(digest("text", b"a" * 32)) == 32
