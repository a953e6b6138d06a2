"""The id of an access token: 128 random bits, and its place in a status list. Pure.

``<22 characters of base64url>.<list>.<index>``. The place stands in the token's ``status`` claim too; here it lets a
token be revoked by its ``jti`` alone, although nothing is stored of a token when it is issued.
"""

import os
import re
from binascii import b2a_base64
from typing import NamedTuple

MAX_JTI_CHARS = 48
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_NOISE_CHARS = 22
_JTI = re.compile(rf"[0-9A-Za-z_-]{{{_NOISE_CHARS}}}\.([1-9][0-9]{{0,8}})\.(0|[1-9][0-9]{{0,6}})", re.ASCII)


class Place(NamedTuple):
    """Where a token's status stands: the number of a list, and the index that it has there."""

    list_number: int
    idx: int

    def __str__(self) -> str:
        """As it ends a ``jti``."""
        return f"{self.list_number}.{self.idx}"


class Holder(NamedTuple):
    """For which tokens places are leased: those of one client, API and generation that one key signs."""

    client_id: str
    api_id: str
    generation: int
    organization_id: str = ""
    kid: str = ""

    def signed_by(self, kid: str) -> "Holder":
        """The same tokens, signed by this key."""
        return Holder(self.client_id, self.api_id, self.generation, self.organization_id, kid)


def new_jti(place: Place) -> str:
    """A new token's id."""
    noise = b2a_base64(os.urandom(16), newline=False).translate(_URLSAFE)
    return f"{noise[:_NOISE_CHARS].decode()}.{place}"


def place_of(jti: str) -> Place | None:
    """Where the status of the token stands, or None where the text is no id of a token of ours."""
    match = _JTI.fullmatch(jti)
    return Place(int(match[1]), int(match[2])) if match else None


def place_text(jti: str) -> str:
    """``str`` of the place that an id of ours ends with: cut off, not parsed, for verdicts."""
    return jti[_NOISE_CHARS + 1 :]
