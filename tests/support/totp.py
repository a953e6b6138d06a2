"""Compute the codes of an authenticator app."""

import base64
import time

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP


def code_of(seed: str, *, steps_back: int = 0) -> str:
    """The code of an app with this set-up key, at present or ``steps_back`` steps of 30 seconds ago."""
    totp = TOTP(base64.b32decode(seed), 6, SHA1(), 30)  # noqa: S303  # what authenticator apps use
    return totp.generate(int(time.time()) - 30 * steps_back).decode()
