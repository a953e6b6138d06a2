"""Ask people to confirm their identity before they widen access or see a secret, then run the request that waited.

The submitted form is kept in the session for ten minutes, together with its organization. A form that contains a secret
is not kept: the person returns to the form and fills it in again.
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
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

HELD: Final = "held_request"
HELD_FOR_S: Final = 600
SECOND_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
SECRET_FIELDS: Final = frozenset({"password", "password1", "password2", "oldpassword", "code", "credential"})


def is_recent(records: Iterable[Mapping[str, Any]], *, factor_since: float | None, now: float) -> bool:
    """Return True if the records hold a sufficient proof of identity from the last 15 minutes; a sign-in counts.

    ``records`` are allauth's (``method``, ``at``); ``factor_since`` is when the first second factor was set up. After
    that, a password alone is not sufficient, unless it was given before.
    """
    for record in records:
        if not 0 <= now - record["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
            continue
        if factor_since is None or record["method"] == "mfa" or record["at"] <= factor_since:
            return True
    return False


def is_needed(request: HttpRequest) -> bool:
    """Return True if the person has to confirm their identity before the next action."""
    if not request.user.is_authenticated:
        return True
    first = Authenticator.objects.filter(user=request.user, type__in=SECOND_FACTORS).order_by("created_at").first()
    records = get_authentication_records(request, request.user)
    return not is_recent(records, factor_since=first.created_at.timestamp() if first else None, now=time.time())


def require_recent(request: HttpRequest) -> None:
    """Raise ReauthenticationRequired if needed; the middleware turns it into the page that asks."""
    if is_needed(request):
        raise ReauthenticationRequired


def ask(request: HttpRequest) -> HttpResponse:
    """Redirect the person to confirm their identity, and keep the submitted form."""
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
            "page": page_around(request) or path,
        }
    methods = get_adapter().get_reauthentication_methods(request.user)
    url = methods[0]["url"] if methods else resolve_url(_instead(request))
    target = f"{url}?{urlencode({REDIRECT_FIELD_NAME: path})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=403, headers={"HX-Redirect": target})
    return redirect(target)


def _instead(request: HttpRequest) -> str:
    """Return the page for a person who has nothing to confirm with.

    An anonymous visitor signs in; a person without a password sets one by mail.
    """
    return "account_reset_password" if request.user.is_authenticated else settings.LOGIN_URL


def resume(request: HttpRequest) -> HttpResponseBase | None:
    """Run the request that is kept for the next page and return its response; None if there is none."""
    held = request.session.pop(HELD, None)
    if held is None or held["path"] != get_next_redirect_url(request):
        return None
    if time.time() - held["at"] > HELD_FOR_S:
        messages.info(request, "More than ten minutes have passed, so nothing was done.")
        return redirect(held["page"])  # the path itself may accept only POST
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


def page_around(request: HttpRequest) -> str:
    """Return the path, without query, of the page that held the form, if the browser reports a page of this site."""
    try:
        url = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer") or "")
    except ValueError:  # the header holds no valid URL
        return ""
    ours = urlsplit(settings.PUBLIC_URL)
    is_ours = (url.scheme, url.netloc) == (ours.scheme, ours.netloc)
    # A path such as //evil.example would lead to another site.
    return url.path if is_ours and url_has_allowed_host_and_scheme(url.path, allowed_hosts=None) else ""


def _organization(request: HttpRequest) -> str | None:
    organization = getattr(request, "organization", None)
    return organization.public_id if organization else None
