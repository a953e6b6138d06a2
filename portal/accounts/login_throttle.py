"""Limit how often passwords and codes may be guessed, without letting a stranger's failures lock the owner out.

A browser in which a person has signed in holds a signed cookie, and its attempts have a counter of their own (OWASP's
"device cookies"). Attempts from other browsers are counted by account and client address, and also by account. Once the
account's counter is exceeded, the right password is not enough in an unknown browser: a second factor or a mailed code
is required, too.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Final

from allauth.core.internal import ratelimit
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from portal.ui.times import span_words

COOKIE: Final = f"{'__Host-' if settings.HTTPS else ''}latchkey_known"
COOKIE_AGE_S: Final = 400 * 24 * 3600  # the longest lifetime that browsers allow
MAX_ACCOUNTS: Final = 8
SALT: Final = "portal.throttle"
APP: Final = "allauth.account"
PASSWORD_ALONE_OPENS_NOTHING: Final = "password_alone_opens_nothing"  # noqa: S105  # an attribute of the request


def known_device(request: HttpRequest, login: str) -> str | None:
    """Return the mark that this browser got when it signed in to the account before; None if it never did."""
    return _accounts(request).get(_name(login))


def remember(request: HttpRequest, response: HttpResponse, login: str) -> None:
    """Set the cookie by which this browser is known as one that has signed in to the account."""
    accounts = _accounts(request)
    device = accounts.pop(_name(login), None) or secrets.token_hex(16)
    kept = dict([*accounts.items(), (_name(login), device)][-MAX_ACCOUNTS:])
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=SALT),
        max_age=COOKIE_AGE_S,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def count_attempt(request: HttpRequest, login: str, what: str, *, address: str) -> Callable[[], None]:
    """Count one attempt at ``what`` (``password`` or ``code``); raise ValidationError if there were too many.

    The returned function takes the attempt back; call it after a right password or code. Past the account's limit, a
    password is still checked, and the request is marked: otherwise strangers who try from many addresses would lock the
    owner out.
    """
    taken: list[ratelimit.SingleRateLimitUsage] = []
    for action, key in _counters(request, login, what, address):
        usage = ratelimit.consume(request, app=APP, action=action, key=key)
        if usage is None and action == "login_failed_account" and what == "password":
            setattr(request, PASSWORD_ALONE_OPENS_NOTHING, True)
            continue
        if usage is None:
            wait = span_words(_seconds_to_wait(request, action, key))
            raise ValidationError(f"Too many tries. Try again in {wait}.", code="too_many_login_attempts")
        taken += usage.usage
    take_back: Callable[[], None] = ratelimit.RateLimitUsage(usage=taken).rollback
    return take_back


def may_mail_reset(request: HttpRequest, login: str) -> bool:
    """Count one mail with a reset link; return False past the limit. Links that were mailed before still work."""
    device = known_device(request, login)
    action, key = ("reset_mail_known", device) if device else ("reset_mail", login.lower())
    return ratelimit.consume(request, app=APP, action=action, key=key) is not None


def may_mail_tagged(request: HttpRequest, email: str) -> bool:
    """Count one mail to an address such as ``name+tag@…``; all tags of one mailbox share a counter."""
    local, _, domain = email.lower().rpartition("@")
    name, plus, _ = local.partition("+")
    if not plus:
        return True
    return ratelimit.consume(request, app=APP, action="tagged_mail", key=f"{name}@{domain}") is not None


def wait_for_code(request: HttpRequest, email: str) -> str:
    """Return how long to wait until another code may be mailed, such as ``8 s``; empty if one may be mailed now."""
    seconds = _seconds_to_wait(request, "confirm_email", email.lower())
    return span_words(seconds) if seconds else ""


def reset_attempts(request: HttpRequest, login: str, *, address: str) -> None:
    """Reset the password counters of an account after a reset by mail. Code counters are kept."""
    for action, key in {*_counters(request, login, "password", address), *_strange(login, "password", address)}:
        ratelimit.clear(request, app=APP, action=action, key=key)


def _counters(request: HttpRequest, login: str, what: str, address: str) -> list[tuple[str, str]]:
    """Return the actions and keys of the counters for an attempt of this browser."""
    device = known_device(request, login)
    return [("login_failed_known", f"{what}:{device}")] if device else _strange(login, what, address)


def _strange(login: str, what: str, address: str) -> list[tuple[str, str]]:
    """Return the counters for browsers in which nobody has signed in to the account."""
    login = login.lower()
    return [("login_failed", f"{what}:{address}:{login}"), ("login_failed_account", f"{what}:{login}")]


def _seconds_to_wait(request: HttpRequest, action: str, key: str) -> float:
    """Return how long all limits of the action refuse another attempt; 0 if none does."""
    now, waits = time.time(), [0.0]
    for rate in ratelimit.get_rates(app=APP, action=action):
        name = ratelimit.get_cache_key(request, app=APP, action=action, rate=rate, key=key)
        newest_first: list[float] = cache.get(name, [])
        if len(newest_first) >= rate.amount:
            waits.append(newest_first[rate.amount - 1] + rate.duration - now)
    return max(waits)


def _accounts(request: HttpRequest) -> dict[str, str]:
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=COOKIE_AGE_S)
    except signing.BadSignature:
        return {}
    return dict(found)


def _name(login: str) -> str:
    return hashlib.sha256(login.lower().encode()).hexdigest()[:16]
