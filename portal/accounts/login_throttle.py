"""How often a password or a code may be guessed, and by whom: strangers' failures never lock the owner out.

A browser in which somebody has signed in keeps a signed cookie, and its guesses are counted by themselves (OWASP's
"device cookies"). All others are counted by account and client address, then by account. Past the account's count, a
right password opens nothing by itself in an unknown browser: it takes the second factor, or a code from a mail.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from allauth.core.internal import ratelimit
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE: Final = f"{'__Host-' if settings.HTTPS else ''}latchkey_known"
COOKIE_AGE_S: Final = 400 * 24 * 3600  # as long as browsers keep one
MAX_ACCOUNTS: Final = 8
SALT: Final = "portal.throttle"
APP: Final = "allauth.account"
CODE_WAIT: Final = (
    "A code was sent to this address a moment ago. Wait 10 seconds before you ask for another; at most 20 are sent in a"
    " day."
)
PASSWORD_ALONE_OPENS_NOTHING: Final = "password_alone_opens_nothing"  # noqa: S105  # an attribute of the request


def knows(request: HttpRequest, login: str) -> str | None:
    """What tells this browser from others that have signed in to the account; None where it never has."""
    return _accounts(request).get(_name(login))


def remember(request: HttpRequest, response: HttpResponse, login: str) -> None:
    """Have the browser known from now on, as one in which this account was opened."""
    accounts = _accounts(request)
    mark = accounts.pop(_name(login), None) or secrets.token_hex(16)
    kept = dict([*accounts.items(), (_name(login), mark)][-MAX_ACCOUNTS:])
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=SALT),
        max_age=COOKIE_AGE_S,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def guess(request: HttpRequest, login: str, what: str, *, address: str) -> Callable[[], None] | None:
    """Count one guess at ``what`` (``password``, ``code``); None where there were too many.

    What comes back takes the guess back: for one that was right. A password is checked past the account's count, too,
    and the request is marked: else strangers who guess from many addresses would keep the owner out.
    """
    login = login.lower()
    if mark := knows(request, login):
        counts = [("login_failed_known", f"{what}:{mark}")]
    else:
        counts = [("login_failed", f"{what}:{address}:{login}"), ("login_failed_account", f"{what}:{login}")]
    taken: list[ratelimit.SingleRateLimitUsage] = []
    for action, key in counts:
        usage = ratelimit.consume(request, app=APP, action=action, key=key)
        if usage is None and action == "login_failed_account" and what == "password":
            setattr(request, PASSWORD_ALONE_OPENS_NOTHING, True)
            continue
        if usage is None:
            return None
        taken += usage.usage
    take_back: Callable[[], None] = ratelimit.RateLimitUsage(usage=taken).rollback
    return take_back


def may_mail_reset(request: HttpRequest, login: str) -> bool:
    """Count one mail with a reset link. Past the count none is sent, and one that was sent still works for a while."""
    mark = knows(request, login)
    action, key = ("reset_mail_known", mark) if mark else ("reset_mail", login.lower())
    return ratelimit.consume(request, app=APP, action=action, key=key) is not None


def may_mail_tagged(request: HttpRequest, email: str) -> bool:
    """Count one mail to an address such as ``name+tag@…``; all tags of one mailbox count together."""
    local, _, domain = email.lower().rpartition("@")
    name, plus, _ = local.partition("+")
    if not plus:
        return True
    return ratelimit.consume(request, app=APP, action="tagged_mail", key=f"{name}@{domain}") is not None


def wait_for_code(request: HttpRequest, email: str) -> str:
    """Why no other code may be mailed to the address now, in words; empty where one may."""
    may_be = ratelimit.consume(request, app=APP, action="confirm_email", key=email.lower(), dry_run=True)
    return "" if may_be else CODE_WAIT


def forgive(request: HttpRequest, login: str, *, address: str) -> None:
    """Begin anew with the password of an account: it was reset by mail. Codes go on being counted."""
    login = login.lower()
    counts = [("login_failed", f"password:{address}:{login}"), ("login_failed_account", f"password:{login}")]
    if mark := knows(request, login):
        counts.append(("login_failed_known", f"password:{mark}"))
    for action, key in counts:
        ratelimit.clear(request, app=APP, action=action, key=key)


def _accounts(request: HttpRequest) -> dict[str, str]:
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=COOKIE_AGE_S)
    except signing.BadSignature:
        return {}
    return dict(found)


def _name(login: str) -> str:
    return hashlib.sha256(login.lower().encode()).hexdigest()[:16]
