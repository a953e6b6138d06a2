"""The text of a secret: compose, parse, check, hint, digest. Pure: no Django, no clock.

``<brand>_<kind>_<random><checksum>``: ``random`` is 32 base62 characters (190 bits). ``checksum`` is the CRC-32 of all
ASCII text before it: base62, most significant digit first, 6 characters, zero-padded. Anyone can reject a typo offline.
"""

import re
import secrets
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from portal.ids import ALPHABET, base62, number

RANDOM_CHARS = 32
CHECKSUM_CHARS = 6
HINT_HEAD_CHARS = 4
HINT_TAIL_CHARS = 4
MAX_HINT_CHARS = 32
MAX_SECRET_CHARS = 12 + 1 + 4 + 1 + RANDOM_CHARS + CHECKSUM_CHARS  # 12 for the brand, 4 for the kind
_RANDOM = re.compile(r"[0-9A-Za-z]{32}", re.ASCII)


class SecretKind(StrEnum):
    """The purpose of a secret, as it is written in its text."""

    LIVE = "live"
    TEST = "test"
    CLIENT = "cs"
    API = "api"


PATTERN = rf"[a-z0-9]{{2,12}}_({'|'.join(SecretKind)})_[0-9A-Za-z]{{38}}"
_SECRET = re.compile(PATTERN, re.ASCII)
_KINDS = {kind.value: kind for kind in SecretKind}  # a dict lookup is several times faster than Kind(…)


@dataclass(frozen=True)
class SecretText:
    """A well-formed secret; its text does not appear in ``repr``."""

    brand: str
    kind: SecretKind
    text: str = field(repr=False)

    @property
    def hint(self) -> str:
        """The part that may be shown later, such as ``lk_live_7Qd3…x9Kf``: the prefix, four characters, the last four.

        This reveals 4 of the 32 random characters and 4 of the 6 checksum characters; more than 140 bits stay unknown.
        """
        head_chars = len(self.brand) + len(self.kind) + 2 + HINT_HEAD_CHARS
        return f"{self.text[:head_chars]}…{self.text[-HINT_TAIL_CHARS:]}"


def checksum(text: str) -> str:
    """Return the six checksum characters for the rest of a secret's text."""
    return base62(zlib.crc32(text.encode("ascii")), width=CHECKSUM_CHARS)


def compose(brand: str, kind: SecretKind, random_part: str) -> SecretText:
    """Spell a secret from 32 base62 characters; raises ValueError on any other length or alphabet."""
    if not _RANDOM.fullmatch(random_part):
        raise ValueError("the random part is 32 base62 characters")
    text = f"{brand}_{kind}_{random_part}"
    return SecretText(brand, kind, text + checksum(text))


def generate(brand: str, kind: SecretKind) -> SecretText:
    """Generate a secret from the operating system's random source."""
    return compose(brand, kind, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS)))


def kind_of(text: str) -> SecretKind | None:
    """Return the kind of a well-formed secret; None if its format or checksum is wrong. Makes no lookup."""
    match = _SECRET.fullmatch(text)
    if match is None or zlib.crc32(text[:-CHECKSUM_CHARS].encode()) != number(text[-CHECKSUM_CHARS:]):
        return None
    return _KINDS[match[1]]


def parse(text: str) -> SecretText | None:
    """Parse a secret; None if its format or checksum is wrong."""
    kind = kind_of(text)
    return None if kind is None else SecretText(text.partition("_")[0], kind, text)


def digest(text: str, pepper: bytes) -> bytes:
    """Return what is stored of a secret: its HMAC-SHA-256 (RFC 2104) under a pepper.

    A slow hash would add nothing to 190 random bits, and would let strangers burn CPU with wrong guesses.
    """
    keyed = _keyed(pepper).copy()
    keyed.update(text.encode())
    return keyed.finalize()


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> HMAC:
    """Process the key once, to copy it. Without the cache, validating an unknown key takes 7 % more CPU time."""
    return HMAC(pepper, SHA256())
