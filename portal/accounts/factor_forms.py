"""Forms for second factors. Every value that a browser sends about a passkey is validated here."""

import time
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as base_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp_forms
from allauth.mfa.webauthn import forms as webauthn_forms
from allauth.mfa.webauthn.internal import auth as webauthn_auth
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from fido2.utils import websafe_decode
from fido2.webauthn import CollectedClientData

from portal.accounts import login_throttle
from portal.accounts.forms import Labelled
from portal.services.factors import step_of, use_code

MAX_PASSKEY_NAME_CHARS = 60
MAX_CREDENTIAL_CHARS = 16_384
REFUSED = "This passkey was not accepted. Try again, or another way."


class _CredentialField(forms.JSONField):
    """The browser's response to a WebAuthn challenge: one JSON object of bounded size."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > MAX_CREDENTIAL_CHARS:
            raise ValidationError(REFUSED, code="too_long")
        try:
            found = super().to_python(value)
        except RecursionError:  # "[[[[…": the size bound allows thousands of levels
            raise ValidationError(REFUSED, code="invalid") from None
        if found is not None and not isinstance(found, dict):
            raise ValidationError(REFUSED, code="invalid")
        if found and not _is_from_our_pages(found):
            raise ValidationError(REFUSED, code="strange_origin")
        return found


def _is_from_our_pages(credential: Any) -> bool:
    """Return True if the browser says that a page at ``PUBLIC_URL`` made the request.

    The WebAuthn library accepts pages at any subdomain, so it is not enough on its own.
    """
    try:
        asked_by = CollectedClientData(websafe_decode(credential["response"]["clientDataJSON"])).origin
        return _origin(asked_by) == _origin(settings.PUBLIC_URL)
    except Exception:  # noqa: BLE001  # the parsers raise what they like
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class AddPasskeyForm(webauthn_forms.SignupWebAuthnForm):
    """A new passkey and its name."""

    name = forms.CharField(max_length=MAX_PASSKEY_NAME_CHARS, required=False)
    credential = _CredentialField()

    def clean(self) -> dict[str, Any]:
        """Verify the credential against the challenge."""
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            raise ValidationError(REFUSED, code="refused") from None
        except Exception:  # noqa: BLE001  # the parsers of CBOR and of keys raise what they like
            raise ValidationError(REFUSED, code="malformed") from None
        return cleaned


class NamePasskeyForm(webauthn_forms.EditWebAuthnForm):
    """A new name for a passkey."""

    name = forms.CharField(max_length=MAX_PASSKEY_NAME_CHARS)


class _UsesPasskey(webauthn_forms.AuthenticateWebAuthnForm):
    credential = _CredentialField()

    def clean_credential(self) -> Authenticator:
        """Return the passkey that signed the challenge.

        A signature cannot be guessed, so attempts are not limited for each account.
        """
        credential = self.cleaned_data["credential"]
        try:
            webauthn_auth.parse_authentication_response(credential)
            user = self.user or webauthn_auth.extract_user_from_response(credential)
            return cast("Authenticator", webauthn_auth.complete_authentication(user, credential))
        except Exception:  # noqa: BLE001  # as above, and what allauth refuses
            raise ValidationError(REFUSED, code="refused") from None


class PasskeySecondStepForm(_UsesPasskey):
    """A passkey after the password."""


class PasskeySignInForm(_UsesPasskey, webauthn_forms.LoginWebAuthnForm):
    """A passkey in place of the password."""


class PasskeyAgainForm(_UsesPasskey, webauthn_forms.ReauthenticateWebAuthnForm):
    """A passkey, used again to confirm the person's identity."""


class _Code(Labelled, base_forms.BaseAuthenticateForm):
    authenticator: Authenticator

    def clean_code(self) -> str:
        """Return the code if it is valid for the person; raise ValidationError if not, or after too many attempts."""
        code: str = self.cleaned_data["code"]
        address = get_account_adapter().get_client_ip(context.request)
        take_back = login_throttle.count_attempt(context.request, self.user.email, "code", address=address)
        authenticator = use_code(self.user, code, now=time.time())
        if authenticator is None:
            raise get_adapter().validation_error("incorrect_code")
        take_back()
        self.authenticator = authenticator
        return code


class ActivateTotpForm(Labelled, totp_forms.ActivateTOTPForm):
    """The first code from a new authenticator app."""

    labels: ClassVar = {"code": "6\u2011digit code"}
    step: int

    def clean_code(self) -> str:
        """Return the code if it is of the current time step or the one before; allauth accepts the next one, too."""
        code: str = super().clean_code()
        step = step_of(self.secret, code, now=time.time())
        if step is None:
            raise get_adapter().validation_error("incorrect_code")
        self.step = step
        return code


class SecondStepForm(_Code, base_forms.AuthenticateForm):
    """A code as the second step of a sign-in, after the password."""

    labels: ClassVar = {"code": "Code or recovery code"}


class CodeAgainForm(_Code, base_forms.ReauthenticateForm):
    """A code, used again to confirm the person's identity."""

    labels: ClassVar = {"code": "Code from your authenticator, or a recovery code"}
