"""The ``jti`` of an access token: 128 random bits and the token's status index. Pure.

``<22 characters of base64url>.<list>.<index>``. The status index is also in the token's ``status`` claim. Since the
``jti`` holds it too, a token can be revoked by its ``jti`` alone, although nothing is stored when it is issued.
"""

import os
import re
from binascii import b2a_base64
from typing import NamedTuple

MAX_JTI_CHARS = 48
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_NOISE_CHARS = 22
_JTI = re.compile(rf"[0-9A-Za-z_-]{{{_NOISE_CHARS}}}\.([1-9][0-9]{{0,8}})\.(0|[1-9][0-9]{{0,6}})", re.ASCII)


class StatusIndex(NamedTuple):
    """A token's status index: the number of a status list and the index in that list."""

    list_number: int
    idx: int

    def __str__(self) -> str:
        """The form in which a ``jti`` ends with it."""
        return f"{self.list_number}.{self.idx}"


class BlockOwner(NamedTuple):
    """The owner of a status block: the tokens of one client, API and generation that one key signs."""

    client_id: str
    api_id: str
    generation: int
    organization_id: str = ""
    kid: str = ""

    def signed_by(self, kid: str) -> "BlockOwner":
        """The same owner for tokens that this key signs."""
        return BlockOwner(self.client_id, self.api_id, self.generation, self.organization_id, kid)


def new_jti(status_index: StatusIndex) -> str:
    """A ``jti`` for a new token."""
    noise = b2a_base64(os.urandom(16), newline=False).translate(_URLSAFE)
    return f"{noise[:_NOISE_CHARS].decode()}.{status_index}"


def status_index_of(jti: str) -> StatusIndex | None:
    """The status index in a ``jti``, or None for a text that is no ``jti`` of ours."""
    match = _JTI.fullmatch(jti)
    return StatusIndex(int(match[1]), int(match[2])) if match else None


def status_index_text(jti: str) -> str:
    """``str`` of the status index in a ``jti`` of ours. It is cut off, not parsed, because each verdict needs it."""
    return jti[_NOISE_CHARS + 1 :]
