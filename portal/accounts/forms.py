"""allauth's forms with this app's labels: a field has the same name in its label, its errors and screen readers."""

from itertools import groupby
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

from portal import opened_invitation
from portal.accounts import login_throttle
from portal.accounts.adapters import check_address
from portal.addresses import spellings
from portal.audit import Actor, ActorKind
from portal.models import User
from portal.names import MAX_NAME_CHARS
from portal.preferences import Density, MailKind
from portal.services import people
from portal.ui.times import zone_names

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
    """A form whose fields get this app's labels."""

    labels: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = self.labels.get(name) or LABELS.get(name) or field.label


class LoginForm(Labelled, account_forms.LoginForm):
    """Sign in with an address and a password."""

    def clean_login(self) -> str:
        """Return the address in the spelling that the account uses."""
        return people.known_spelling(str(super().clean_login()))


class ReauthenticateForm(Labelled, account_forms.ReauthenticateForm):
    """Ask for the password again."""


class ChangePasswordForm(Labelled, account_forms.ChangePasswordForm):
    """Replace the current password with a new one."""


class SetPasswordForm(Labelled, account_forms.SetPasswordForm):
    """Set a first password on an account that has none."""


class ResetPasswordForm(Labelled, account_forms.ResetPasswordForm):
    """Ask for a password reset link by mail."""

    def clean_email(self) -> str:
        """Return the address in the spelling that the account uses; the link is mailed to that spelling."""
        self.cleaned_data["email"] = people.known_spelling(self.cleaned_data["email"])
        return str(super().clean_email())

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Mail the link, unless too many were mailed; the resulting page is the same in both cases."""
        email: str = self.cleaned_data["email"]
        return str(super().save(request, **kwargs)) if login_throttle.may_mail_reset(request, email) else email


class ResetPasswordKeyForm(Labelled, account_forms.ResetPasswordKeyForm):
    """Set a new password, reached by a reset link."""


class SignupForm(Labelled, account_forms.SignupForm):
    """Create an account with an address and a password."""

    labels: ClassVar = {"password1": "Password"}
    account_already_exists: bool
    by_passkey: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        invitation = opened_invitation.waiting(context.request)
        if invitation is not None:
            self.fields["email"].initial = invitation.email

    def clean_email(self) -> str:
        """Return the address if ``SIGNUP`` allows it. With ``invite``, only the invited address is allowed."""
        email = str(super().clean_email())
        check_address(email)
        invitation = opened_invitation.waiting(context.request)
        if settings.SIGNUP == "invite" and (invitation is None or invitation.email not in spellings(email)):
            raise ValidationError("Use the address that was invited.", code="not_invited")
        return email

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Return the new person, or the response for an address that already has an account.

        Both cases look the same, so that a stranger cannot find out which addresses have accounts.
        """
        if self.account_already_exists:
            if not self.by_passkey:  # a faster response would reveal that the address is known
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
    """Change the account's address."""

    labels: ClassVar = {"email": "New address"}

    def clean_email(self) -> str:
        """Return the new address if ``SIGNUP`` allows it.

        Without this check, a person could sign up with a work address and then move the account to a private one.
        """
        email = str(super().clean_email())
        check_address(email)
        return email


class MailsForm(forms.Form):
    """Choose which of the optional mails a person receives."""

    wanted = forms.MultipleChoiceField(
        label="Mail me when", required=False, widget=forms.CheckboxSelectMultiple, choices=MailKind.choices
    )

    def kinds(self) -> list[MailKind]:
        """Return the chosen kinds of mail."""
        return [MailKind(name) for name in self.cleaned_data["wanted"]]


def _zones_by_area() -> list[tuple[str, Any]]:
    """Return the time zones as choices, such as ``Berlin`` in the group ``Europe``."""
    utc, *places = zone_names()
    areas = groupby(places, key=lambda name: name.partition("/")[0])
    groups = [(area, [(name, name.partition("/")[2].replace("_", " ")) for name in names]) for area, names in areas]
    return [("", "Same as my browser"), (utc, utc), *groups]


class ProfileForm(forms.Form):
    """Choose a name, and how pages look."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=MAX_NAME_CHARS,
        help_text="Other people in your organizations see it. Without one, they see your address.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        required=False,
        choices=_zones_by_area,
        help_text="Used on pages and in e-mails. Exact times also show UTC.",
    )
    density = forms.ChoiceField(label="Lists", widget=forms.RadioSelect, choices=Density.choices)

    def wanted_density(self) -> Density:
        """Return the chosen density."""
        return Density(self.cleaned_data["density"])
