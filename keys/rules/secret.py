"""The text of a secret: compose, parse, check, hint; and its digest. Pure: no Django, no clock.

``<brand>_<kind>_<random><checksum>``: ``random`` is 32 base62 characters (190 bits), ``checksum`` the CRC-32 of all the
ASCII text before it, base62, most significant first, 6 characters, zero-padded. Anyone can reject a typo offline.
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
MAX_SECRET_CHARS = 12 + 1 + 4 + 1 + RANDOM_CHARS + CHECKSUM_CHARS  # brand, kind
PATTERN = r"[a-z0-9]{2,12}_(live|test|cs|api)_[0-9A-Za-z]{38}"
_SECRET = re.compile(r"[a-z0-9]{2,12}_(live|test|cs|api)_[0-9A-Za-z]{38}", re.ASCII)
_RANDOM = re.compile(r"[0-9A-Za-z]{32}", re.ASCII)


class Kind(StrEnum):
    """What a secret opens, spelled in the secret itself."""

    LIVE = "live"
    TEST = "test"
    CLIENT = "cs"
    API = "api"


_KINDS = {kind.value: kind for kind in Kind}  # a plain look-up: Kind(…) costs several times as much


@dataclass(frozen=True)
class Secret:
    """A well-formed secret; its text hides itself in ``repr``."""

    brand: str
    kind: Kind
    text: str = field(repr=False)

    @property
    def hint(self) -> str:
        """What may be shown again: the prefix with four characters, a gap, the last four: ``lk_live_7Qd3…x9Kf``.

        Four of 32 random characters are given away; 166 bits stay unknown.
        """
        head_chars = len(self.brand) + len(self.kind) + 2 + HINT_HEAD_CHARS
        return f"{self.text[:head_chars]}…{self.text[-HINT_TAIL_CHARS:]}"


def checksum(text: str) -> str:
    """The six characters that end a secret whose other text is given."""
    return base62(zlib.crc32(text.encode("ascii")), width=CHECKSUM_CHARS)


def compose(brand: str, kind: Kind, random_part: str) -> Secret:
    """Spell a secret from 32 base62 characters; raises ValueError on any other length or alphabet."""
    if not _RANDOM.fullmatch(random_part):
        raise ValueError("the random part is 32 base62 characters")
    text = f"{brand}_{kind}_{random_part}"
    return Secret(brand, kind, text + checksum(text))


def generate(brand: str, kind: Kind) -> Secret:
    """A new secret from the operating system's random source."""
    return compose(brand, kind, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS)))


def kind_of(text: str) -> Kind | None:
    """What the secret that the text spells opens, or None where format or checksum is wrong. No look-up is made."""
    match = _SECRET.fullmatch(text)
    if match is None or zlib.crc32(text[:-CHECKSUM_CHARS].encode()) != number(text[-CHECKSUM_CHARS:]):
        return None
    return _KINDS[match[1]]


def parse(text: str) -> Secret | None:
    """The secret that the text spells, or None where format or checksum is wrong."""
    kind = kind_of(text)
    return None if kind is None else Secret(text.partition("_")[0], kind, text)


def digest(text: str, pepper: bytes) -> bytes:
    """What is stored of a secret: HMAC-SHA-256 (RFC 2104) under a pepper.

    A slow hash would add nothing to 190 random bits and would hand a stranger a way to burn the CPU with wrong guesses.
    """
    keyed = _keyed(pepper).copy()
    keyed.update(text.encode())
    return keyed.finalize()


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> HMAC:
    return HMAC(pepper, SHA256())  # with the key taken in already: a third of the time of ``hmac.digest``
