"""The middleware of this app; ``MIDDLEWARE`` in the settings gives the order."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import cast

from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.core.exceptions import BadRequest, TooManyFieldsSent
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from structlog.contextvars import bound_contextvars

from portal import http, reauthentication
from portal.accounts.passwords import PasswordsBusy
from portal.audit import NotAllowed, SecondFactorMissing
from portal.edge import not_before
from portal.edge.problems import ProblemType
from portal.edge.proxies import client_address, is_https
from portal.edge.request_ids import request_id
from portal.models import Membership
from portal.redaction import redact

log = logging.getLogger("portal.request")
GetResponse = Callable[[HttpRequest], HttpResponseBase]
SESSION_ORGANIZATION = "organization"
MAX_FIELDS = 1000
ADMIN_PREFIX = "/admin/"  # its pages show UTC to everybody
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class RequestIdMiddleware:
    """Give the request an id, in its response and in all its log lines, and log one line when it is over."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        named = request_id(request.META.get("HTTP_X_REQUEST_ID"))
        request.request_id = named  # type: ignore[attr-defined]  # this is where the attribute comes from
        started = time.perf_counter()
        with bound_contextvars(request_id=named):
            response = self.get_response(request)
            log.info(
                "request",
                extra={
                    "method": redact(request.method or ""),
                    "path": redact(request.path),
                    "status": response.status_code,
                    "duration_ms": round((time.perf_counter() - started) * 1000, 1),
                },
            )
        response["X-Request-Id"] = named
        return response


class NotBeforeMiddleware:
    """Set the instant before which a response is not sent, if its timing could reveal whether an address is known."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Delay the response to a form that works with addresses, except after a successful sign-in."""
        began = time.monotonic()
        response = self.get_response(request)
        page = request.resolver_match.url_name if request.resolver_match else None
        if request.method == "POST" and page in not_before.PAGES and not hasattr(request, "has_just_signed_in"):
            response[not_before.HEADER] = not_before.instant(began)
        return response


class ForwardedMiddleware:
    """Set the client's address and scheme from forwarding headers, as far as ``TRUSTED_PROXIES`` allows.

    All forwarding headers are then removed. ``X-Forwarded-Host`` never counts: this site's host is that of
    ``PUBLIC_URL``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        peer = meta.get("REMOTE_ADDR")
        forwarded_for = meta.pop("HTTP_X_FORWARDED_FOR", None)
        forwarded_proto = meta.pop("HTTP_X_FORWARDED_PROTO", None)
        for name in ("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_X_REAL_IP", "HTTP_FORWARDED"):
            meta.pop(name, None)
        https = is_https(request.scheme or "http", peer, forwarded_proto, settings.TRUSTED_PROXIES)
        meta["wsgi.url_scheme"] = "https" if https else "http"
        meta["REMOTE_ADDR"] = (
            client_address(peer, [forwarded_for] if forwarded_for else [], settings.TRUSTED_PROXIES) or ""
        )
        return self.get_response(request)


class MachineMiddleware:
    """Enforce the rules for machine paths: https is required, every error is JSON, and no cookie is set."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Replace an HTML error of the framework by a problem."""
        if not http.is_machine(request.path):
            return self.get_response(request)
        if settings.HTTPS and not request.is_secure() and not request.path.startswith(http.HEALTH_PREFIXES):
            return http.machine_error(request, ProblemType.HTTPS_REQUIRED)
        response = self.get_response(request)
        if response.status_code >= 400 and "json" not in response.get("Content-Type", ""):
            allow = response.get("Allow")
            response = http.machine_error(request, http.problem_of(response.status_code))
            if allow:
                response["Allow"] = allow
        response.cookies.clear()
        return response


class NulMiddleware:
    """Refuse NUL in query strings and cookies, because no database stores it. Form fields refuse NUL themselves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # An old way of quoting cookies can encode NUL.
        if "%00" in request.META["QUERY_STRING"] or any("\0" in text for text in request.COOKIES.values()):
            raise BadRequest
        return self.get_response(request)


class FieldsMiddleware:
    """Refuse a form with too many fields: the work of a page grows with their number."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Raise TooManyFieldsSent beyond 1,000 fields, or beyond what ``MANY_FIELDS`` allows below this path."""
        allowed = (most for prefix, most in settings.MANY_FIELDS.items() if request.path.startswith(prefix))
        if sum(len(values) for _, values in request.POST.lists()) > next(allowed, MAX_FIELDS):
            raise TooManyFieldsSent
        return self.get_response(request)


class PermissionsPolicyMiddleware:
    """Tell browsers which features no page of this site uses."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response


class OrganizationMiddleware:
    """Set the organization that a signed-in person works in, and turn exceptions of services into error pages."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set ``memberships``, the current ``membership`` and ``organization``, and the person's time zone.

        A page for a signed-in person gets headers against caching.
        """
        ours = cast("http.HttpRequest", request)
        ours.organization = ours.membership = None
        ours.memberships = []
        if http.is_machine(request.path):
            return self.get_response(request)
        zone: tzinfo = UTC
        if request.user.is_authenticated:
            ours.memberships = _memberships(ours)
            ours.membership = _current(ours)
            ours.organization = ours.membership.organization if ours.membership else None
            zone = UTC if request.path.startswith(ADMIN_PREFIX) else ours.user.zone
        with timezone.override(zone):
            response = self.get_response(request)
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Return the error page for an exception that services or sign-in raise."""
        if isinstance(exception, SecondFactorMissing):
            return http.second_factor_needed(request)
        if isinstance(exception, NotAllowed):
            return http.forbidden(request, exception.action)
        if isinstance(exception, PasswordsBusy):
            return http.busy(request)
        if isinstance(exception, ReauthenticationRequired):
            return reauthentication.ask(request)
        return None


def _memberships(request: http.HttpRequest) -> list[Membership]:
    memberships = Membership.objects.filter(user=request.user, organization__closed_at=None)
    return list(memberships.select_related("organization").order_by("organization__name", "organization_id"))


def _current(request: http.HttpRequest) -> Membership | None:
    """Return the membership in the chosen organization; without a choice that still holds, the first one."""
    chosen = request.session.get(SESSION_ORGANIZATION)
    found = (member for member in request.memberships if member.organization.public_id == chosen)
    return next(found, min(request.memberships, key=lambda member: member.pk, default=None))
