"""Forms of second factors: what a browser sends of a passkey is checked here, whatever it holds."""

from typing import Any

from allauth.mfa.webauthn import forms as webauthn_forms
from django import forms
from django.core.exceptions import ValidationError

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
        return found


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

    def clean_credential(self) -> Any:
        """The passkey, if it signed our challenge."""
        try:
            return super().clean_credential()
        except ValidationError as exc:
            message = exc.message if exc.code == "too_many_login_attempts" else REFUSED
            raise ValidationError(message, code=exc.code) from None
        except Exception:  # noqa: BLE001  # as above
            raise ValidationError(REFUSED, code="malformed") from None


class PasskeySecondStepForm(_UsesPasskey):
    """A passkey after the password."""


class PasskeySignInForm(_UsesPasskey, webauthn_forms.LoginWebAuthnForm):
    """A passkey in place of the password."""


class PasskeyAgainForm(_UsesPasskey, webauthn_forms.ReauthenticateWebAuthnForm):
    """A passkey, shown again."""
