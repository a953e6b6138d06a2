"""allauth's forms in our words: a field is called the same in its label, in an error and by a screen reader."""

from typing import Any, ClassVar

from allauth.account import forms as account_forms
from django import forms
from django.http import HttpRequest

from portal import throttle
from portal.services import people

LABELS = {
    "login": "E-mail address",
    "email": "E-mail address",
    "password": "Password",
    "oldpassword": "Present password",
    "password1": "New password",
    "password2": "New password again",
    "code": "Code",
}


class Labelled(forms.Form):
    """Calls fields what our pages call them."""

    labels: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = self.labels.get(name) or LABELS.get(name) or field.label


class LoginForm(Labelled, account_forms.LoginForm):
    """The address and the password."""

    def clean_login(self) -> str:
        """The address as the account has it."""
        return people.known_spelling(str(super().clean_login()))


class ReauthenticateForm(Labelled, account_forms.ReauthenticateForm):
    """The password, once more."""


class ChangePasswordForm(Labelled, account_forms.ChangePasswordForm):
    """The password of now, and the one to come."""


class SetPasswordForm(Labelled, account_forms.SetPasswordForm):
    """A first password."""


class ResetPasswordForm(Labelled, account_forms.ResetPasswordForm):
    """Where the link is to go."""

    def clean_email(self) -> str:
        """The address as the account has it, which is where the mail goes."""
        self.cleaned_data["email"] = people.known_spelling(self.cleaned_data["email"])
        return str(super().clean_email())

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Mail the link, unless enough were mailed; the page is the same."""
        email: str = self.cleaned_data["email"]
        return str(super().save(request, **kwargs)) if throttle.may_mail_reset(request, email) else email


class ResetPasswordKeyForm(Labelled, account_forms.ResetPasswordKeyForm):
    """The password to come, behind the link."""
