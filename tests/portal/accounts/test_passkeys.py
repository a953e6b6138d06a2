"""Passkeys: what the server asks for, and what it makes of nonsense. The journeys drive a real browser."""

import json
from contextlib import nullcontext

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client
from fido2.utils import websafe_encode
from pytest_django.fixtures import Settings
from selectolax.lexbor import LexborHTMLParser

from portal.accounts.factor_forms import AddPasskeyForm, PasskeyAgainForm, PasskeySecondStepForm, PasskeySignInForm
from portal.models import User
from tests.support.visitors import CODE, code_in, is_signed_in, sign_in

pytestmark = pytest.mark.django_db
ADD, LOGIN, SIGNUP = "/accounts/2fa/passkeys/add/", "/accounts/2fa/passkeys/login/", "/accounts/2fa/passkeys/signup/"
NONSENSE = [
    "", "null", "5", '"x"', "[]", "{}", "{", "[" * 5000, '{"id": 1}', '{"id": "", "rawId": "", "response": {}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"AA","attestationObject":"AA"}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"AA"}}',
    '{"response": {"userHandle": "gICA"}}',
    '{"response": {"userHandle": "MQ"}}', '{"response": []}', '{"a": "\\u0000"}',
    json.dumps({"id": "A" * 20_000}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_limits(settings: Settings) -> None:
    settings.MFA_RATE_LIMITS = False


def options_on(page: str) -> dict[str, object]:
    form = LexborHTMLParser(page).css_first("form[data-passkey]")
    assert form
    found: dict[str, object] = json.loads(form.attributes["data-passkey-options"] or "")
    return found


def test_a_passkey_is_made_for_our_public_address_and_proves_two_factors(
    client: Client, eve: User, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"
    settings.ALLOWED_HOSTS = ["testserver", "www.example.com"]
    sign_in(client, "eve@example.com")
    options = options_on(client.get(ADD, headers={"Host": "www.example.com"}).text)
    assert options["rp"] == {"id": "keys.example.com", "name": "Latchkey"}
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    asked = Client().get(LOGIN, headers={"Accept": "application/json"}).json()["request_options"]["publicKey"]
    assert (asked["rpId"], asked["userVerification"]) == ("keys.example.com", "required")
    assert asked["allowCredentials"] == []  # nobody learns whose passkeys there are


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("https://keys.example.com", True),
        ("https://evil.keys.example.com", False),
        ("https://keys.example.com.evil.example", False),
        ("https://keys.example.com:8443", False),
        ("http://keys.example.com", False),
        ("null", False),
    ],
)
def test_a_passkey_counts_on_our_own_pages_and_on_no_others_below_or_beside_them(
    origin: str, is_ours: bool, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"
    told = json.dumps({"type": "webauthn.get", "challenge": "AA", "origin": origin}).encode()
    credential = json.dumps({"response": {"clientDataJSON": websafe_encode(told)}})
    for form in (AddPasskeyForm, PasskeySecondStepForm, PasskeySignInForm, PasskeyAgainForm):
        with nullcontext() if is_ours else pytest.raises(ValidationError):
            form.base_fields["credential"].clean(credential)


@pytest.mark.parametrize("credential", NONSENSE)
def test_nonsense_in_place_of_a_passkey_is_refused(credential: str, client: Client, eve: User) -> None:
    stranger = Client()
    stranger.get(LOGIN, headers={"Accept": "application/json"})
    assert stranger.post(LOGIN, {"credential": credential}).status_code == 302
    assert not is_signed_in(stranger)
    sign_in(client, "eve@example.com")
    client.get(ADD)
    assert client.post(ADD, {"credential": credential, "name": "x"}).status_code == 200
    assert not Authenticator.objects.exists()


def test_who_signs_up_by_passkey_is_not_in_before_there_is_one(client: Client) -> None:
    assert client.post("/accounts/signup/passkey/", {"email": "new@example.com"})["Location"] == CODE
    answer = client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert answer["Location"] == SIGNUP
    assert client.post(SIGNUP, {"credential": "{}"}).status_code == 200
    assert not is_signed_in(client)
    assert not User.objects.get().has_usable_password()


def test_sign_up_by_passkey_does_not_tell_whether_an_address_is_known(eve: User) -> None:
    answers = []
    for email in ("eve@example.com", "new@example.com"):
        answer = Client().post("/accounts/signup/passkey/", {"email": email})
        answers.append((answer.status_code, answer["Location"], len(mail.outbox)))
    assert answers == [(302, CODE, 1), (302, CODE, 2)]
    assert mail.outbox[0].subject == "You already have a Latchkey account"


def test_who_lost_the_way_to_a_passkey_half_way_gets_in_by_a_reset(client: Client) -> None:
    client.post("/accounts/signup/passkey/", {"email": "new@example.com"})
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    client.post("/accounts/password/reset/", {"email": "new@example.com"})
    assert "/password/reset/key/" in str(mail.outbox[-1].body)
