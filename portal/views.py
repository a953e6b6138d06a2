"""Pages of the frame: landing, theme, choice of organization, errors."""

import sys
from typing import cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from portal import http, reauthentication
from portal.accounts import login_throttle
from portal.context import THEME_COOKIE
from portal.forms import OrganizationForm, ThemeForm
from portal.middleware import ADMIN_PREFIX, SESSION_ORGANIZATION
from portal.models import Organization, User
from portal.operations.outages import is_outage, is_read_only

THEME_COOKIE_AGE_S = 365 * 24 * 3600
_OURS = "We could not do this. Nothing changed. Try again in a moment; if it fails again, tell us the reference."
ROBOTS = "User-agent: *\nDisallow: /app/\nDisallow: /admin/\nDisallow: /accounts/\n"


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Show the landing page; redirect a signed-in person to the overview."""
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "portal/landing.html")


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Return the paths that search engines should not index."""
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")


@require_safe
def change_password(_request: HttpRequest) -> HttpResponse:
    """Redirect to the page that changes the password (https://www.w3.org/TR/change-password-url/)."""
    return redirect("account_change_password")


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Save the chosen theme in a cookie: it belongs to the browser, not to the person."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return bad_request(request)
    response = _back(request, form.cleaned_data["next"], default="/")
    response.set_cookie(
        THEME_COOKIE,
        form.cleaned_data["theme"],
        max_age=THEME_COOKIE_AGE_S,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_POST
@login_required
def switch_organization(request: HttpRequest) -> HttpResponse:
    """Switch to another of the person's organizations; return 404 for any other id."""
    form = OrganizationForm(request.POST)
    if not form.is_valid():
        return bad_request(request)
    mine = Organization.objects.filter(memberships__user=cast("http.HttpRequest", request).user, closed_at=None)
    chosen = get_object_or_404(mine, public_id=form.cleaned_data["organization"])
    request.session[SESSION_ORGANIZATION] = chosen.public_id
    return _back(request, form.cleaned_data["next"], default=settings.LOGIN_REDIRECT_URL)


def _back(request: HttpRequest, url: str, *, default: str) -> HttpResponse:
    """Redirect to a page of this site; htmx loads it whole, because the frame around it changes, too."""
    target = url if http.is_local_path(url) else default
    response = HttpResponse(headers={"HX-Redirect": target}) if request.headers.get("HX-Request") else redirect(target)
    patch_vary_headers(response, ["HX-Request"])
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Return the 400 page."""
    return http.error_page(
        request, status=400, title="We could not read this request", detail="Nothing changed. Go back and try again."
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Return the 403 page; in admin, it names what is missing and, to staff alone, who can give it."""
    title, detail = "You cannot open this page", "Your account has no access to it."
    granters, more = [], 0
    if request.path.startswith(ADMIN_PREFIX) and isinstance(getattr(request, "user", None), User):
        detail = "You need the role staff to open admin. The operator of this portal gives it."
        if request.user.is_staff:
            detail = "Your staff account has no permission for this page."
            superusers = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
            granters = [person.name_and_address for person in superusers[: http.GRANTERS_NAMED]]
            more = max(superusers.count() - http.GRANTERS_NAMED, 0)
    return http.error_page(request, status=403, title=title, detail=detail, granters=granters, more_granters=more)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Return the 404 page. It does not tell whether the object never existed, is gone, or belongs to somebody else."""
    return http.error_page(
        request,
        status=404,
        title="There is nothing here",
        detail="It was moved, or it belongs to an organization you are not in.",
    )


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Return the 429 page, for allauth's throttles; most are met by asking for another mailed code too soon."""
    address = request.POST.get("email") or request.POST.get("login") or ""
    wait = login_throttle.wait_for_code(request, address) or "a minute"
    response = http.error_page(
        request, status=429, title="Too many tries", detail=f"Wait {wait}, then try again. Nothing changed."
    )
    response["Retry-After"] = "60"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Return a 500, or a 503 during a database outage; rendered without session or database."""
    exception = sys.exception()
    if is_read_only(exception):
        title, detail = "Nothing can be changed right now", "Our database can only be read. Nothing changed."
    elif is_outage(exception):
        title = "Nothing can be read right now"
        detail = "Our database does not answer. If something was being changed, look whether it was."
    else:
        context = {"request": request, "title": "Something failed on our side", "detail": _OURS}
        return HttpResponse(render_to_string("500.html", context), status=500)
    context = {"request": request, "title": title, "detail": f"{detail} Try again in a few seconds."}
    return HttpResponse(render_to_string("500.html", context), status=503, headers={"Retry-After": "2"})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Return a 403 for a form without a valid token; most were opened before a sign-in or sign-out elsewhere."""
    page = reauthentication.page_around(request)
    way_on = {"way_on": "Open the form again", "way_on_url": page} if page else {}
    return http.error_page(
        request,
        status=403,
        title="This form is out of date",
        detail="Nothing changed. Open the page with the form again, and send it from there. Cookies must be allowed.",
        **way_on,
    )
