"""Adapters that allauth calls: they set the rules for sign-up, sign-in, passwords and second factors."""

import logging
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress, Login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal import addresses, encryption, http, opened_invitation, reauthentication
from portal.accounts import login_throttle, sessions
from portal.accounts.passwords import is_too_long
from portal.accounts.sessions import row_key
from portal.audit_actions import AuditAction
from portal.mails.messages import zone_of
from portal.models import User
from portal.services import people
from portal.ui.times import exact_words
from portal.ui.user_agents import browser_words

log = logging.getLogger(__name__)
MAX_EMAIL_CHARS = 254
WRONG_CODE = "This code is wrong, or no longer the newest one."
PASSKEY = "mfa_reauthenticate:webauthn"
ASK_FOR = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code from your authenticator app, or a recovery code",
    PASSKEY: "Use your passkey",
}


def check_address(email: str) -> str:
    """Return the address in its stored spelling; raise ValidationError if no account may have it.

    Does not check whether an account has the address already.
    """
    if not email.isprintable():
        raise ValidationError("Enter a valid email address.", code="invalid")
    try:
        email = addresses.normal(email)
    except addresses.BadAddress as exc:
        raise ValidationError(str(exc), code="invalid") from None
    validate_email(email)
    if len(email) > MAX_EMAIL_CHARS:
        raise ValidationError(f"Use an address of at most {MAX_EMAIL_CHARS} characters.", code="too_long")
    domains = [] if settings.SIGNUP in {"open", "invite"} else settings.SIGNUP.split(",")
    if domains and email.rpartition("@")[2] not in domains:
        raise ValidationError(f"Accounts here are for addresses at {' or '.join(domains)}.", code="domain_not_welcome")
    return email


def public_url(url: str) -> str:
    """Return the URL with the host of ``PUBLIC_URL``.

    A mail must never repeat the host of a request: an attacker chooses that host.
    """
    parts = urlsplit(url)
    return settings.PUBLIC_URL + parts.path + (f"?{parts.query}" if parts.query else "")


class AccountAdapter(DefaultAccountAdapter):
    """allauth's sign-in by e-mail and password, with Latchkey's sign-up modes, address rules, error texts and audit."""

    error_messages: ClassVar = DefaultAccountAdapter.error_messages | {
        "duplicate_email": "This is already your address.",
        "email_password_mismatch": "The address or the password is wrong. Passwords are case-sensitive.",
        "email_taken": "Another account has this address.",
        "enter_current_password": "This is not your current password.",
        "incorrect_code": WRONG_CODE,
        "incorrect_password": "This is not your password.",
        "same_as_current": "This is already the current one.",
        "too_many_login_attempts": "Too many wrong codes. Start again for a new one.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False if ``SIGNUP`` is ``invite`` and this browser has opened no invitation."""
        return settings.SIGNUP != "invite" or opened_invitation.waiting(request) is not None

    def is_safe_url(self, url: str | None) -> bool:
        """Return True only for a local path, so that no redirect after sign-in leaves this site."""
        return bool(url) and http.is_local_path(str(url))

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return ``REMOTE_ADDR``, which ``ForwardedMiddleware`` has set to the client's address."""
        return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104  # "unknown"; no socket is bound to it

    def clean_email(self, email: str) -> str:
        """Return the spelling that an existing account uses for this mailbox.

        Otherwise a second account could be created for the same mailbox.
        """
        return people.known_spelling(email)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail in which every URL has the host of ``PUBLIC_URL``.

        Drop the mail if the address is unknown, carries a tag (``name+tag@…``), and its mailbox was sent too many
        already.
        """
        is_known = EmailAddress.objects.filter(email=email, verified=True).exists()
        if not is_known and not login_throttle.may_mail_tagged(self.request, email):
            log.warning("mail.too_many_tags")
            return
        site = {"name": "Latchkey", "domain": urlsplit(settings.PUBLIC_URL).netloc}
        ours = {name: public_url(value) if name.endswith("_url") else value for name, value in context.items()}
        if "timestamp" in context:
            ours["happened"] = exact_words(context["timestamp"], zone_of(email))
        super().send_mail(template_prefix, email, ours | {"current_site": site, "public_url": settings.PUBLIC_URL})

    def is_reauthentication_required(self, *, app: str) -> bool:  # noqa: ARG002  # allauth's signature
        """Return False right after sign-in: the person has just proved who they are."""
        return reauthentication.is_needed(self.request)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Return the ways to confirm an identity. With a second factor, the password is not among them.

        Otherwise an attacker who knows the password could remove the second factor.
        """
        ways: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        ways = [way for way in ways if way["id"] in ASK_FOR]
        strong = [way for way in ways if way["id"] != "reauthenticate"]
        if is_mfa_enabled(user, reauthentication.SECOND_FACTORS):
            ways = strong
        if not is_mfa_enabled(user, [Authenticator.Type.TOTP]):
            ways.sort(key=lambda way: way["id"] != PASSKEY)  # without an app, codes are for emergencies
        return [way | {"description": ASK_FOR[way["id"]]} for way in ways]

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Start a sign-in. Later steps, such as a second factor, may follow."""
        refused: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if refused is None:
            sessions.begin_sign_in(request, user)
        return refused

    def login(self, request: HttpRequest, user: User) -> None:
        """Complete the sign-in. For a person who just signed up, record the mailed code as their proof of identity.

        The mailed code is the only proof at that time: no other factor exists yet. If the password changed or the
        account was deactivated since the sign-in started, the session is flushed and the person has to start again.
        """
        if not sessions.finish_sign_in(request, user):
            request.session.flush()
            messages.info(request, "Your account changed since this sign-in began. Sign in again.")
            raise ImmediateHttpResponse(redirect(settings.LOGIN_URL))
        if not get_authentication_records(request, user):
            record_authentication(request, user, method="email_code")
        super().login(request, user)
        request.has_just_signed_in = True  # type: ignore[attr-defined]  # for NotBeforeMiddleware

    def clean_password(self, password: str, user: User | None = None) -> str:
        """Return the password if it may be set; refuse one that is too long before anything processes it."""
        if is_too_long(password):
            raise ValidationError("This password is too long.", code="password_too_long")
        return str(super().clean_password(password, user=user))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return the user whose password this is; a password that is too long counts as wrong and is never hashed."""
        if is_too_long(credentials.get("password") or ""):
            self.pre_authenticate(request, **credentials)
            return None
        user: User | None = super().authenticate(request, **credentials)
        return user

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count one password attempt; raise ValidationError if there were too many."""
        login = str(credentials.get("email", ""))
        self._take_guess_back = login_throttle.count_attempt(
            request, login, "password", address=self.get_client_ip(request)
        )

    def is_login_by_code_required(self, login: Login) -> bool:
        """Return True if a mailed code is required: too many passwords were tried, and there is no second factor."""
        has_factor = login.user is not None and is_mfa_enabled(login.user, reauthentication.SECOND_FACTORS)
        return getattr(self.request, login_throttle.PASSWORD_ALONE_OPENS_NOTHING, False) and not has_factor

    def _rollback_login_failed_rl_usage(self) -> None:
        self._take_guess_back()

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        login_throttle.reset_attempts(request, str(credentials.get("email", "")), address=self.get_client_ip(request))

    def post_login(self, request: HttpRequest, user: User, *, signup: bool, **kwargs: Any) -> HttpResponse:
        """Mail the account's owner about a sign-in from an unknown browser, then remember the browser."""
        response: HttpResponse = super().post_login(request, user, signup=signup, **kwargs)
        if not signup and login_throttle.known_device(request, user.email) is None:
            browser = browser_words(self.get_http_user_agent(request))
            self.send_notification_mail("account/email/new_sign_in", user, {"browser": browser})
        login_throttle.remember(request, response, user.email)
        return response

    def set_password(self, user: User, password: str) -> None:
        """Change or reset the password; of two concurrent uses of one reset link, the second gets a 409 page."""
        by = http.actor_of(self.request)
        action = AuditAction.USER_PASSWORD_CHANGED if by.user else AuditAction.USER_PASSWORD_RESET
        here = row_key(self.request.session.session_key)
        if not people.set_password(user, password, action=action, by=replace(by, user=user), keep=here):
            raise ImmediateHttpResponse(
                http.error_page(
                    self.request,
                    status=409,
                    title="This password was changed a moment ago",
                    detail="Sign in with the new one, or ask for another reset.",
                )
            )

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Mark the address as verified and audit the change, in one transaction.

        Return False if another account verified the same address first.
        """
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            return False


class MFAAdapter(DefaultMFAAdapter):
    """allauth's second factors with encrypted TOTP seeds, and with passkeys bound to the host of ``PUBLIC_URL``."""

    error_messages: ClassVar = DefaultMFAAdapter.error_messages | {"incorrect_code": WRONG_CODE}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the WebAuthn relying party: the host of ``PUBLIC_URL``, never the host of the request."""
        return {"id": urlsplit(settings.PUBLIC_URL).hostname or "", "name": "Latchkey"}

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002  # allauth's signature
        """Return a default name for a new passkey."""
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {count + 1}" if count else "Passkey"

    def encrypt(self, text: str) -> str:
        """Return the text, encrypted under the newest of ``ENCRYPTION_KEYS``."""
        return encryption.encrypt(text.encode())

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text).decode()
