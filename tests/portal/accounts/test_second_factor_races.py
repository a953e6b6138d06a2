"""Two requests with one code at the same instant: one of them opens."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from portal.models import User
from portal.services.factors import use_code
from tests.keys.services.test_races import at_once
from tests.support.totp import code_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.mark.parametrize("kind", [Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES])
def test_of_four_uses_of_one_code_at_once_one_opens(kind: str, ada: User) -> None:
    if kind == Authenticator.Type.TOTP:
        seed = generate_totp_secret()
        TOTP.activate(ada, seed)
        code = code_of(seed)
    else:
        code = RecoveryCodes.activate(ada).get_unused_codes()[0]
    answers = at_once(*[lambda: use_code(ada, code, now=time.time())] * 4)
    assert sum(answer is not None for answer in answers) == 1
