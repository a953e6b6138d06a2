"""Pages for second factors and passkeys, where they differ from allauth's.

Recovery codes are shown once, in the response to the POST that created them. Every passkey is discoverable and requires
user verification: a fingerprint, a face or a PIN.
"""

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import Login
from allauth.account.utils import get_next_redirect_url
from allauth.account.views import ReauthenticateView
from allauth.mfa.base import views as base_views
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as code_views
from allauth.mfa.recovery_codes.internal import flows as code_flows
from allauth.mfa.totp import views as totp_views
from allauth.mfa.totp.internal import flows as totp_flows
from allauth.mfa.webauthn import views as webauthn_views
from allauth.mfa.webauthn.internal import auth as webauthn_auth
from allauth.mfa.webauthn.internal import flows as webauthn_flows
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.debug import sensitive_variables

from portal import reauthentication
from portal.accounts.factor_forms import AddPasskeyForm, NamePasskeyForm
from portal.http import shown_once
from portal.services.factors import note_first_code

Context = dict[str, Any]
SECURITY = reverse_lazy("mfa_index")


@sensitive_variables()
def show_codes(request: HttpRequest, authenticator: Authenticator, *, title: str) -> HttpResponse:
    """Render the page that shows new recovery codes, the only time that they can be read."""
    codes = authenticator.wrap()
    codes.mark_as_viewed()
    shown = codes.get_unused_codes()
    context = {
        "title": title,
        "codes": shown,
        "text": quote("".join(f"{code}\n" for code in shown)),
        "continue_url": get_next_redirect_url(request) or SECURITY,
    }
    return shown_once(render(request, "mfa/recovery_codes/index.html", context))


class ActivateTotpView(totp_views.ActivateTOTPView):
    """Turn on an authenticator app; show recovery codes if it is the person's first factor."""

    def form_valid(self, form: Any) -> HttpResponse:
        added, codes = totp_flows.activate_totp(self.request, form)
        note_first_code(added, form.step)
        record_authentication(self.request, self.request.user, "mfa", id=added.pk, type=added.type)
        if codes is None:
            return redirect(get_next_redirect_url(self.request) or SECURITY)
        return show_codes(self.request, codes, title="Your authenticator app is on")


class GenerateCodesView(code_views.GenerateRecoveryCodesView):
    """Replace all recovery codes with new ones."""

    def form_valid(self, form: Any) -> HttpResponse:  # noqa: ARG002  # Django's signature
        return show_codes(self.request, code_flows.generate_recovery_codes(self.request), title="New recovery codes")


class AddPasskeyView(webauthn_views.AddWebAuthnView):
    """Add a passkey to an account."""

    def get_form_class(self) -> type[AddPasskeyForm]:
        """Return this app's form, which fixes the properties of a passkey instead of leaving them to the browser."""
        return AddPasskeyForm

    def get_context_data(self, **kwargs: Any) -> Context:
        """Add the options that the browser needs to create the passkey."""
        context: Context = super(webauthn_views.AddWebAuthnView, self).get_context_data(**kwargs)
        return context | _creation(self.request.user)

    def form_valid(self, form: Any) -> HttpResponse:
        """Save the passkey."""
        added, codes = webauthn_flows.add_authenticator(self.request, **_named(form))
        record_authentication(self.request, self.request.user, "mfa", id=added.pk, type=added.type)
        if codes is None:
            return redirect(SECURITY)
        return show_codes(self.request, codes, title="Your passkey is saved")


class RenamePasskeyView(webauthn_views.EditWebAuthnView):
    """Rename a passkey."""

    success_url = SECURITY

    def get_form_class(self) -> type[NamePasskeyForm]:
        """Return this app's form, which limits the name's length."""
        return NamePasskeyForm


class RemovePasskeyView(webauthn_views.RemoveWebAuthnView):
    """Remove a passkey, unless it is the only way to sign in."""

    success_url = SECURITY

    def get_context_data(self, **kwargs: Any) -> Context:
        """Add whether this passkey is the only way to sign in."""
        context: Context = super().get_context_data(**kwargs)
        return context | {"is_last_way_in": self._is_last_way_in()}

    def form_valid(self, form: Any) -> HttpResponse:
        if self._is_last_way_in():
            return cast("HttpResponse", self.render_to_response(self.get_context_data(form=form)))
        return cast("HttpResponse", super().form_valid(form))

    def _is_last_way_in(self) -> bool:
        return not self.request.user.has_usable_password() and self.get_queryset().count() == 1


class SignUpPasskeyView(webauthn_views.SignupWebAuthnView):
    """Create the first passkey of a person who signs up without a password."""

    def get_form_class(self) -> type[AddPasskeyForm]:
        return AddPasskeyForm

    def get_context_data(self, **kwargs: Any) -> Context:
        """Add the options that the browser needs to create the passkey."""
        context: Context = super(webauthn_views.SignupWebAuthnView, self).get_context_data(**kwargs)
        return context | _creation(self._login_stage.login.user)

    def form_valid(self, form: Any) -> HttpResponse:
        """Save the passkey, sign the person in with it, and show recovery codes in case it is lost."""
        stage = self._login_stage
        user = stage.login.user
        added = webauthn_flows.signup_authenticator(self.request, user=user, **_named(form))
        record_authentication(self.request, user, "mfa", id=added.pk, type=added.type, passwordless=True)
        answer: HttpResponse = stage.exit()
        codes = code_flows.auto_generate_recovery_codes(self.request)
        return answer if codes is None else show_codes(self.request, codes, title="You are in")


class PasskeySignInView(webauthn_views.LoginWebAuthnView):
    """Sign in with a passkey alone. It counts as two factors: the device, and its PIN or biometric check."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign the person in and redirect to the page that they asked for."""
        passkey = form.cleaned_data["credential"]
        login = Login(user=passkey.user, redirect_url=get_next_redirect_url(self.request))
        answer: HttpResponse = webauthn_flows.perform_passwordless_login(self.request, passkey, login)
        return answer


class SecondStepView(base_views.AuthenticateView):
    """Second step of a sign-in, after the password: a code or a passkey."""

    def get_context_data(self, **kwargs: Any) -> Context:
        """Add the factors that this person has."""
        context: Context = super().get_context_data(**kwargs)
        options = context.get("js_data", {}).get("request_options", {}).get("publicKey", {})
        return context | {"passkey_options": _as_json(options), "has_passkey": bool(options.get("allowCredentials"))}


class _Resumes:
    """A mixin for allauth's views: after a new proof of identity, it runs the request that waited for it."""

    request: HttpRequest

    def form_valid(self, form: Any) -> HttpResponseBase:
        answer: HttpResponseBase = super().form_valid(form)  # type: ignore[misc]  # the view that comes next has it
        return reauthentication.resume(self.request) or answer


class PasswordAgainView(_Resumes, ReauthenticateView):
    """Ask for the password again."""


class CodeAgainView(_Resumes, base_views.ReauthenticateView):
    """Ask for a code again."""


class PasskeyAgainView(_Resumes, webauthn_views.ReauthenticateWebAuthnView):
    """Ask for a passkey again."""

    def get_context_data(self, **kwargs: Any) -> Context:
        """Add a new WebAuthn challenge."""
        context: Context = super(webauthn_views.ReauthenticateWebAuthnView, self).get_context_data(**kwargs)
        options = webauthn_auth.begin_authentication(self.request.user)["publicKey"]
        return context | {"passkey_options": _as_json(options)}

    def form_invalid(self, form: Any) -> HttpResponse:
        """Render the page again with the error and a new challenge."""
        return cast("HttpResponse", self.render_to_response(self.get_context_data(form=form)))


def _creation(user: Any) -> Context:
    options = webauthn_auth.begin_registration(user, passwordless=True)["publicKey"]
    return {"passkey_options": _as_json(options)}


def _as_json(options: Mapping[str, Any]) -> str:
    """Return JSON for the browser's ``parse…OptionsFromJSON`` (WebAuthn level 3 §5.1.8)."""
    return json.dumps(options, default=dict)


def _named(form: AddPasskeyForm) -> Context:
    return {"name": form.cleaned_data["name"], "credential": form.cleaned_data["credential"]}
