"""Requests as our views see them, and the answers every page shares."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django import http
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.middleware import HtmxDetails

from portal.audit import Actor, ActorKind
from portal.models import Membership, Organization, User
from portal.permissions import ROLES_FOR, Action, Role

P = ParamSpec("P")
HEALTH_PREFIXES = ("/healthz", "/readyz", "/metrics")
PROBLEMS = {
    400: ("bad_request", "The request could not be read."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not answer that method; see Allow."),
    413: ("too_large", "The body is too large."),
    429: ("too_many_requests", "Slow down and try again."),
    500: ("internal_error", "Something failed on our side. Nothing was changed."),
    503: ("unavailable", "Try again in a moment."),
}


class HttpRequest(http.HttpRequest):
    """A request after our middleware: who asks, and for which of their organizations."""

    user: User  # an AnonymousUser where nobody is signed in; views behind member_required have a User
    htmx: HtmxDetails
    request_id: str
    organization: Organization | None
    membership: Membership | None


class MemberRequest(HttpRequest):
    """A request that ``member_required`` let through."""

    organization: Organization
    membership: Membership


def is_machine(path: str) -> bool:
    """Whether programs ask here: JSON for every error, no cookie, no redirect."""
    return path.startswith(settings.MACHINE_PREFIXES)


def actor_of(request: http.HttpRequest, kind: ActorKind = ActorKind.USER) -> Actor:
    """Who acts in this request, for services and their audit events."""
    user = request.user if isinstance(request.user, User) else None
    return Actor(kind, user, request.META.get("REMOTE_ADDR") or None, getattr(request, "request_id", ""))


def is_local_path(url: str) -> bool:
    """Whether a ``next`` address stays here: an absolute path, and nothing that a browser reads as another host."""
    return url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def fragment_or_page(
    request: HttpRequest, fragment: str, page: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """The fragment where htmx asks to swap one in, else the whole page around it."""
    swaps = request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request
    response = render(request, fragment if swaps else page, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def machine_error(request: http.HttpRequest, status: int, *, code: str = "", detail: str = "") -> JsonResponse:
    """An error for programs: problem+json (RFC 9457), or RFC 6749 §5.2 JSON under ``/oauth/``."""
    usual_code, usual_detail = PROBLEMS.get(status, PROBLEMS[500 if status >= 500 else 400])
    code, detail = code or usual_code, detail or usual_detail
    named = getattr(request, "request_id", "")
    if request.path.startswith("/oauth/"):
        error = "server_error" if status == 500 else "temporarily_unavailable" if status == 503 else "invalid_request"
        response = JsonResponse({"error": error, "error_description": detail}, status=status)
    else:
        body = {
            "type": f"{settings.PUBLIC_URL}/docs/#{code}",
            "title": HttpResponse(status=status).reason_phrase,
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": named,
        }
        response = JsonResponse(body, status=status, content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    return response


def sign_in(request: HttpRequest) -> HttpResponse:
    """Send a stranger to sign in and then back here; htmx is told to leave the page."""
    back = request.get_full_path() if request.method == "GET" else settings.LOGIN_REDIRECT_URL
    if not request.htmx:
        return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}")
    page = request.htmx.current_url_abs_path or settings.LOGIN_REDIRECT_URL
    return HttpResponse(
        status=401, headers={"HX-Redirect": f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}"}
    )


def error_page(request: http.HttpRequest, *, status: int, title: str, detail: str, **more: Any) -> HttpResponse:
    """An error for people: a whole page, or its core where htmx asked."""
    named = getattr(request, "request_id", "")
    context = {"status": status, "title": title, "detail": detail, "request_id": named, **more}
    template = "portal/_error.html" if request.headers.get("HX-Request") else "portal/error.html"
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def busy(request: http.HttpRequest) -> HttpResponse:
    """503: more sign-ins at once than passwords can be checked; nothing was done."""
    response = error_page(
        request, status=503, title="Very busy right now", detail="Nothing was changed. Try again in a few seconds."
    )
    response["Retry-After"] = "2"
    return response


def forbidden(request: http.HttpRequest, action: Action) -> HttpResponse:
    """403, naming the roles that may do it and the people who can give one."""
    organization: Organization | None = getattr(request, "organization", None)
    if organization is None:
        detail = "Ask the person who sent you here for an invitation."
        return error_page(request, status=403, title="You belong to no organization", detail=detail)
    granters = Membership.objects.filter(
        organization=organization, role__in=ROLES_FOR[Action.MANAGE_ORGANIZATION], user__is_active=True
    ).select_related("user")
    return error_page(
        request,
        status=403,
        title="Your role does not allow this",
        detail=f"In {organization.name} this takes the role {_either(ROLES_FOR[action])}.",
        granters=[member.user.display_name for member in granters.order_by("pk")[:10]],
    )


def _either(roles: frozenset[Role]) -> str:
    names = [role.value for role in Role if role in roles]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


View = Callable[Concatenate[MemberRequest, P], HttpResponseBase]


def member_required(action: Action) -> Callable[[View[P]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """Let a view be asked only by members whose role allows the action."""

    def decorate(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return sign_in(request)
            if request.membership is None or not request.membership.can(action):
                return forbidden(request, action)
            return view(request, *args, **kwargs)  # type: ignore[arg-type]  # the guard has just made it a MemberRequest

        return guarded  # type: ignore[return-value]  # mypy takes the two kinds of request for the wrapped one

    return decorate
