"""Verify codes of second factors. Each code works once, even if two requests send it at the same time."""

import base64
import hmac
from typing import Final

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import transaction

from portal import encryption
from portal.models import User

STEP_S: Final = 30
DIGITS: Final = 6
STEPS: Final = (0, -1)  # RFC 6238 §5.2: one step back, for a code typed while its step ended
USED: Final = "used_step"


def use_code(user: User, code: str, *, now: float) -> Authenticator | None:
    """Return the person's authenticator that accepts the code; None if the code is wrong or was used.

    Two requests with the same code are serialized by the row lock, so the second one finds the code used.
    """
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update().filter(user=user).order_by("pk")
        for authenticator in rows.exclude(type=Authenticator.Type.WEBAUTHN):
            if _use(authenticator, code, now=now):
                return authenticator
    return None


def step_of(seed: str, code: str, *, now: float) -> int | None:
    """Return the time step of the code, if it is the current one or the one before; else None."""
    typed = "".join(code.split()).encode()
    totp = TOTP(base64.b32decode(seed), DIGITS, SHA1(), STEP_S)  # noqa: S303  # what authenticator apps use
    present = int(now) // STEP_S
    steps = [present + back for back in STEPS]
    return next((step for step in steps if hmac.compare_digest(totp.generate(step * STEP_S), typed)), None)


def note_first_code(authenticator: Authenticator, step: int) -> None:
    """Record the time step of the code as used."""
    authenticator.data[USED] = step
    authenticator.save(update_fields=["data"])


def _use(authenticator: Authenticator, code: str, *, now: float) -> bool:
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        return bool(authenticator.wrap().validate_code(code))
    step = step_of(encryption.decrypt(authenticator.data["secret"]).decode(), code, now=now)
    if step is None or step <= authenticator.data.get(USED, -1):
        return False
    note_first_code(authenticator, step)
    return True
