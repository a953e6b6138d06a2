"""People's passwords: how they are hashed, and what is asked of a new one.

A password is brought to Unicode NFC where it is hashed, in one place for setting, changing and checking, so that "é"
typed on any keyboard is the same password; nothing else about it is touched: no trimming, no case, no cut.
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
    """Too many passwords are being checked at once; the edge answers 503 with Retry-After."""


class PasswordTooLong(ValueError):
    """The password has more bytes than are ever hashed."""


def is_too_long(password: str) -> bool:
    """Whether the password is refused before any hashing."""
    return len(password) > MAX_PASSWORD_BYTES or len(password.encode(errors="surrogatepass")) > MAX_PASSWORD_BYTES


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's 19 MiB, 2 passes, 1 lane; at most one hash for each core at a time.

    Without the bound a burst of sign-ins takes 19 MiB each and starves the process.
    """

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
    _slots = threading.BoundedSemaphore(CORES)

    def encode(self, password: str, salt: str) -> str:
        """Hash a new password; raises PasswordTooLong, PasswordsBusy."""
        if is_too_long(password):
            raise PasswordTooLong
        with _Slot(self._slots):
            hashed: str = _threads(os.getpid()).submit(super().encode, _normal(password), salt).result()
            return hashed

    def verify(self, password: str, encoded: str) -> bool:
        """Whether the password is the one that was hashed; one too long is not. Raises PasswordsBusy."""
        if is_too_long(password):
            return False
        with _Slot(self._slots):
            return bool(_threads(os.getpid()).submit(super().verify, _normal(password), encoded).result())


@cache
def _threads(_pid: int) -> ThreadPoolExecutor:
    """Those of one process that hash, one for each core.

    On a request's own thread, the C library would keep those 19 MiB for that thread's next hash: for all of them.
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
    """Reset links: each ends with the password and the address it was made for, and opens no deactivated account."""

    def check_token(self, user: User | None, token: str | None) -> bool:
        """Whether the link may still set a password."""
        return user is not None and user.is_active and super().check_token(user, token)


class LengthValidator:
    """Asks for 15 characters, and for no more than is ever hashed."""

    def validate(self, password: str, user: User | None = None) -> None:  # noqa: ARG002  # Django's signature
        """Raise ValidationError unless the length is right."""
        chars = len(unicodedata.normalize("NFC", password[: MAX_PASSWORD_BYTES + 1]))
        if chars < MIN_PASSWORD_CHARS:
            message = f"Use at least {MIN_PASSWORD_CHARS} characters; this has {chars}."
            raise ValidationError(message, code="password_too_short")
        if is_too_long(password):
            raise ValidationError(f"Use at most {MAX_PASSWORD_BYTES:,} bytes.", code="password_too_long")

    def get_help_text(self) -> str:
        """What the form says before anyone errs."""
        return f"At least {MIN_PASSWORD_CHARS} characters. A few words you can remember are best; spaces are fine."


class ServiceNameValidator:
    """Refuses a password that is little more than this service's name, the first thing anyone would guess."""

    def validate(self, password: str, user: User | None = None) -> None:  # noqa: ARG002  # Django's signature
        """Raise ValidationError where nothing of 8 characters is left without the service's names."""
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
        """What the form says before anyone errs."""
        return "Not the name of this service."
