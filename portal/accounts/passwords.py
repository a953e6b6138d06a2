"""Hash passwords, and validate new ones.

A password is normalized to Unicode NFC right before it is hashed, in one place for setting, changing and checking, so
that "é" typed on any keyboard is the same password. Nothing else is changed: no trimming, no case folding, no cut.
"""

import os
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError

from portal.models import User

MIN_PASSWORD_CHARS: Final = 15  # NIST SP 800-63B-4 §3.1.1.2, where a password may be the only factor
MAX_PASSWORD_BYTES: Final = 1024
MAX_WAIT_S: Final = 1.0
CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SERVICE_NAMES: Final = ("latchkey",)


class PasswordsBusy(Exception):
    """Too many passwords are being hashed at once; the edge responds 503 with Retry-After."""


class PasswordTooLong(ValueError):
    """The password has more bytes than this app hashes."""


def is_too_long(password: str) -> bool:
    """Return True if the password is refused without hashing."""
    return len(password) > MAX_PASSWORD_BYTES or len(password.encode(errors="surrogatepass")) > MAX_PASSWORD_BYTES


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane), and at most one hash per core at a time.

    Without the limit, a burst of sign-ins would use 19 MiB each and starve the process.
    """

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
    _slots = threading.BoundedSemaphore(CORES)

    def encode(self, password: str, salt: str) -> str:
        """Hash a new password; raise PasswordTooLong or PasswordsBusy."""
        if is_too_long(password):
            raise PasswordTooLong
        with _Slot(self._slots):
            hashed: str = _threads(os.getpid()).submit(super().encode, _normal(password), salt).result()
            return hashed

    def verify(self, password: str, encoded: str) -> bool:
        """Return True if this password was hashed; a password that is too long never matches. Raises PasswordsBusy."""
        if is_too_long(password):
            return False
        with _Slot(self._slots):
            return bool(_threads(os.getpid()).submit(super().verify, _normal(password), encoded).result())


@cache
def _threads(_pid: int) -> ThreadPoolExecutor:
    """Return the process's hashing threads, one per core.

    If requests hashed on their own threads, the C library would keep 19 MiB for each of those threads.
    """
    return ThreadPoolExecutor(CORES, thread_name_prefix="argon2")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


class _Slot:
    def __init__(self, slots: threading.BoundedSemaphore) -> None:
        self.slots = slots

    def __enter__(self) -> None:
        if not self.slots.acquire(timeout=MAX_WAIT_S):
            raise PasswordsBusy

    def __exit__(self, *_: object) -> None:
        self.slots.release()


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens of reset links. A token expires with the password and the address it was made for.

    A deactivated account accepts no token.
    """

    def check_token(self, user: User | None, token: str | None) -> bool:
        """Return True if the link may still set a password."""
        return user is not None and user.is_active and super().check_token(user, token)


class LengthValidator:
    """Require at least 15 characters, and at most as many bytes as are ever hashed."""

    def validate(self, password: str, user: User | None = None) -> None:  # noqa: ARG002  # Django's signature
        """Raise ValidationError if the password is too short or too long."""
        chars = len(unicodedata.normalize("NFC", password[: MAX_PASSWORD_BYTES + 1]))
        if chars < MIN_PASSWORD_CHARS:
            message = f"Use at least {MIN_PASSWORD_CHARS} characters; this has {chars}."
            raise ValidationError(message, code="password_too_short")
        if is_too_long(password):
            raise ValidationError(f"Use at most {MAX_PASSWORD_BYTES:,} bytes.", code="password_too_long")

    def get_help_text(self) -> str:
        return f"At least {MIN_PASSWORD_CHARS} characters. A few words you can remember are best; spaces are fine."


class ServiceNameValidator:
    """Refuse a password that is little more than this service's name: attackers try that name first."""

    def validate(self, password: str, user: User | None = None) -> None:  # noqa: ARG002  # Django's signature
        """Raise ValidationError if the password holds a service name and fewer than 7 other letters and digits."""
        rest = "".join(char for char in password[: MAX_PASSWORD_BYTES + 1].casefold() if char.isalnum())
        names = [*SERVICE_NAMES, settings.KEY_BRAND]
        if not any(name in rest for name in names):
            return
        for name in names:
            rest = rest.replace(name, "")
        if len(rest) < MIN_PASSWORD_CHARS // 2:
            message = "Choose a password that is not built on this service's name."
            raise ValidationError(message, code="password_is_service_name")

    def get_help_text(self) -> str:
        return "Not the name of this service."
