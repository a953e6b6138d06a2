"""allauth's forms in our words: a field is called the same in its label, in an error and by a screen reader."""

from typing import Any, ClassVar

from allauth.account import forms as account_forms
from allauth.account.adapter import get_adapter
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse

from portal.accounts import login_throttle
from portal.accounts.adapters import check_address
from portal.addresses import spellings
from portal.audit import Actor, ActorKind
from portal.models import MailKind, User
from portal.services import opened_invitation, people

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
        return str(super().save(request, **kwargs)) if login_throttle.may_mail_reset(request, email) else email


class ResetPasswordKeyForm(Labelled, account_forms.ResetPasswordKeyForm):
    """The password to come, behind the link."""


class SignupForm(Labelled, account_forms.SignupForm):
    """An address and a password."""

    labels: ClassVar = {"password1": "Password"}
    account_already_exists: bool
    by_passkey: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        invitation = opened_invitation.waiting(context.request)
        if invitation is not None:
            self.fields["email"].initial = invitation.email

    def clean_email(self) -> str:
        """The address, if ``SIGNUP`` lets it in; where it is ``invite``, only the invited one."""
        email = str(super().clean_email())
        check_address(email)
        invitation = opened_invitation.waiting(context.request)
        if settings.SIGNUP == "invite" and (invitation is None or invitation.email not in spellings(email)):
            raise ValidationError("Use the address that was invited.", code="not_invited")
        return email

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """The new person, or the answer for an address that has an account: a stranger sees no difference."""
        if self.account_already_exists:
            if not self.by_passkey:  # answering sooner would tell that the address is known
                make_password(self.cleaned_data["password1"])
            return _known(super().try_save(request))
        user = get_adapter().save_user(request, User(), self, commit=False)
        try:
            return people.sign_up(user, by=Actor(ActorKind.USER, user, *_origin(request))), None
        except IntegrityError:  # another request with this address was first
            self.account_already_exists = True
            return _known(super().try_save(request))


def _known(answer: tuple[Any, Any]) -> tuple[User | None, HttpResponse | None]:
    return answer


def _origin(request: HttpRequest) -> tuple[str | None, str]:
    return request.META.get("REMOTE_ADDR") or None, getattr(request, "request_id", "")


class AddEmailForm(Labelled, account_forms.AddEmailForm):
    """The address to change to."""

    labels: ClassVar = {"email": "New address"}

    def clean_email(self) -> str:
        """The address, if ``SIGNUP`` lets it in: else one could sign up at work and move away."""
        email = str(super().clean_email())
        check_address(email)
        return email


class MailsForm(forms.Form):
    """Which mails a person wants, of those they may go without."""

    wanted = forms.MultipleChoiceField(
        label="Mail me when", required=False, widget=forms.CheckboxSelectMultiple, choices=MailKind.choices
    )

    def kinds(self) -> list[MailKind]:
        """Those that are wanted."""
        return [MailKind(name) for name in self.cleaned_data["wanted"]]
