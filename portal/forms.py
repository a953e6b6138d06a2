"""The shell's forms."""

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

from portal import joining
from portal.account_forms import Labelled
from portal.accounts import check_address
from portal.addresses import spellings
from portal.audit import Actor, ActorKind
from portal.context import THEMES
from portal.models import MailKind, User
from portal.services import people


class SignupForm(Labelled, account_forms.SignupForm):
    """An address and a password."""

    labels: ClassVar = {"password1": "Password"}
    account_already_exists: bool
    by_passkey: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        invitation = joining.waiting(context.request)
        if invitation is not None:
            self.fields["email"].initial = invitation.email

    def clean_email(self) -> str:
        """The address, if ``SIGNUP`` lets it in; where it is ``invite``, only the invited one."""
        email = str(super().clean_email())
        check_address(email)
        invitation = joining.waiting(context.request)
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


class ThemeForm(forms.Form):
    """The choice between light and dark."""

    theme = forms.ChoiceField(choices=[(theme, theme.title()) for theme in THEMES])
    next = forms.CharField(required=False)


class OrganizationForm(forms.Form):
    """The choice of the organization to work in."""

    organization = forms.CharField()
    next = forms.CharField(required=False)
