"""Forms of second factors: what a browser sends of a passkey is checked here, whatever it holds."""

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
    """What the browser made of our challenge: one JSON object, of bounded size."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        """The object."""
        if isinstance(value, str) and len(value) > MAX_CREDENTIAL_CHARS:
            raise ValidationError(REFUSED, code="too_long")
        try:
            found = super().to_python(value)
        except RecursionError:  # "[[[[…": our bound allows thousands
            raise ValidationError(REFUSED, code="invalid") from None
        if found is not None and not isinstance(found, dict):
            raise ValidationError(REFUSED, code="invalid")
        if found and not _is_from_our_pages(found):
            raise ValidationError(REFUSED, code="strange_origin")
        return found


def _is_from_our_pages(credential: Any) -> bool:
    """Whether the browser says that a page at ``PUBLIC_URL`` asked; the library takes pages of any subdomain, too."""
    try:
        asked_by = CollectedClientData(websafe_decode(credential["response"]["clientDataJSON"])).origin
        return _origin(asked_by) == _origin(settings.PUBLIC_URL)
    except Exception:  # noqa: BLE001  # the parsers raise what they like
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class AddPasskeyForm(webauthn_forms.SignupWebAuthnForm):
    """A passkey, and what to call it."""

    name = forms.CharField(max_length=MAX_PASSKEY_NAME_CHARS, required=False)
    credential = _CredentialField()

    def clean(self) -> dict[str, Any]:
        """Check it against the challenge."""
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            raise ValidationError(REFUSED, code="refused") from None
        except Exception:  # noqa: BLE001  # the parsers of CBOR and of keys raise what they like
            raise ValidationError(REFUSED, code="malformed") from None
        return cleaned


class NamePasskeyForm(webauthn_forms.EditWebAuthnForm):
    """What to call a passkey."""

    name = forms.CharField(max_length=MAX_PASSKEY_NAME_CHARS)


class _UsesPasskey(webauthn_forms.AuthenticateWebAuthnForm):
    credential = _CredentialField()

    def clean_credential(self) -> Authenticator:
        """The passkey, if it signed our challenge. None can be guessed, so that tries need no limit by account."""
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
    """A passkey, shown again."""


class _Code(Labelled, base_forms.BaseAuthenticateForm):
    authenticator: Authenticator

    def clean_code(self) -> str:
        """The code, if it is one of the person's and not too many were tried."""
        code: str = self.cleaned_data["code"]
        adapter = get_account_adapter()
        address = adapter.get_client_ip(context.request)
        take_back = login_throttle.guess(context.request, self.user.email, "code", address=address)
        if take_back is None:
            raise adapter.validation_error("too_many_login_attempts")
        authenticator = use_code(self.user, code, now=time.time())
        if authenticator is None:
            raise get_adapter().validation_error("incorrect_code")
        take_back()
        self.authenticator = authenticator
        return code


class ActivateTotpForm(Labelled, totp_forms.ActivateTOTPForm):
    """The first code of an authenticator app."""

    labels: ClassVar = {"code": "6\u2011digit code"}
    step: int

    def clean_code(self) -> str:
        """The code, if it is of the present step or the one before; allauth takes the next one, too."""
        code: str = super().clean_code()
        step = step_of(self.secret, code, now=time.time())
        if step is None:
            raise get_adapter().validation_error("incorrect_code")
        self.step = step
        return code


class SecondStepForm(_Code, base_forms.AuthenticateForm):
    """A code after the password."""

    labels: ClassVar = {"code": "Code or recovery code"}


class CodeAgainForm(_Code, base_forms.ReauthenticateForm):
    """A code, once more."""

    labels: ClassVar = {"code": "Code from your authenticator, or a recovery code"}
