"""Ask people to prove again who they are before they widen access or see a secret, then do what they asked for.

The form that they sent is held in their session for ten minutes, for the organization that it was sent in. A form with
a secret in it is not held: the person comes back to the form and fills it in again.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, resolve_url
from django.urls import resolve
from django.utils.http import urlencode

HELD: Final = "held_request"
HELD_FOR_S: Final = 600
SECOND_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
SECRET_FIELDS: Final = frozenset({"password", "password1", "password2", "oldpassword", "code", "credential"})


def is_recent(records: Iterable[Mapping[str, Any]], *, factor_since: float | None, now: float) -> bool:
    """Whether somebody has shown, within 15 minutes, all that could be asked of them; signing in counts.

    ``records`` are allauth's (``method``, ``at``); ``factor_since`` is when the first second factor was set up. Where
    there is one, a password alone is not enough, unless it was all there was when it was given.
    """
    for record in records:
        if not 0 <= now - record["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
            continue
        if factor_since is None or record["method"] == "mfa" or record["at"] <= factor_since:
            return True
    return False


def is_needed(request: HttpRequest) -> bool:
    """Whether this person has to show who they are before what comes next."""
    if not request.user.is_authenticated:
        return True
    first = Authenticator.objects.filter(user=request.user, type__in=SECOND_FACTORS).order_by("created_at").first()
    records = get_authentication_records(request, request.user)
    return not is_recent(records, factor_since=first.created_at.timestamp() if first else None, now=time.time())


def require_recent(request: HttpRequest) -> None:
    """Raise ReauthenticationRequired, which the middleware turns into the question, where it has to be asked."""
    if is_needed(request):
        raise ReauthenticationRequired


def ask(request: HttpRequest) -> HttpResponse:
    """Send the person to show who they are, and hold what they sent."""
    path = request.get_full_path()
    has_secret = bool(SECRET_FIELDS & request.POST.keys())
    if request.method == "POST" and request.user.is_authenticated and not has_secret:
        form = request.POST.copy()
        form.pop("csrfmiddlewaretoken", None)
        request.session[HELD] = {
            "path": path,
            "form": form.urlencode(),
            "at": time.time(),
            "organization": _organization(request),
            "page": _page_around(request) or path,
        }
    methods = get_adapter().get_reauthentication_methods(request.user)
    url = methods[0]["url"] if methods else resolve_url(_instead(request))
    target = f"{url}?{urlencode({REDIRECT_FIELD_NAME: path})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=403, headers={"HX-Redirect": target})
    return redirect(target)


def _instead(request: HttpRequest) -> str:
    """Where to go for who has nothing to show: a stranger signs in, a person without a password gets one by mail."""
    return "account_reset_password" if request.user.is_authenticated else settings.LOGIN_URL


def resume(request: HttpRequest) -> HttpResponseBase | None:
    """The answer to what is held for the page that is next; None where nothing is."""
    held = request.session.pop(HELD, None)
    if held is None or held["path"] != get_next_redirect_url(request):
        return None
    if time.time() - held["at"] > HELD_FOR_S:
        messages.info(request, "More than ten minutes have passed, so nothing was done.")
        return redirect(held["page"])  # the path itself may be for forms alone
    if held["organization"] != _organization(request):
        messages.warning(request, "You changed to another organization meanwhile, so nothing was done.")
        return redirect(settings.LOGIN_REDIRECT_URL)
    parts = urlsplit(held["path"])
    found = resolve(parts.path)
    request.path = request.path_info = parts.path
    request.META["QUERY_STRING"] = parts.query
    request.GET, request.POST = QueryDict(parts.query), QueryDict(held["form"])
    request.resolver_match = found
    answer: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
    return answer


def _page_around(request: HttpRequest) -> str:
    """The page of ours that the form stood on, if the browser says so; the path alone, without its query."""
    url = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer") or "")
    ours = urlsplit(settings.PUBLIC_URL)
    return url.path if (url.scheme, url.netloc) == (ours.scheme, ours.netloc) else ""


def _organization(request: HttpRequest) -> str | None:
    organization = getattr(request, "organization", None)
    return organization.public_id if organization else None
