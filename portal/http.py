"""Request types for views, and the responses that all pages share."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec

from django import http
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.middleware import HtmxDetails

from portal import reauthentication
from portal.audit import Actor, ActorKind, lacks_second_factor
from portal.edge.problems import CONTENT_TYPE, JSON, OAUTH_PREFIX, Problem, ProblemType
from portal.models import Membership, Organization, User
from portal.permissions import ROLES_FOR, Action, Role

P = ParamSpec("P")
CHANGE_PASSWORD = "/.well-known/change-password"  # noqa: S105  # an address, where password managers send people
GRANTERS_NAMED = 3
HEALTH_PREFIXES = ("/healthz", "/readyz", "/metrics")
_PROBLEMS = {
    403: ProblemType.FORBIDDEN,
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.TOO_LARGE,
    503: ProblemType.UNAVAILABLE,
}


class HttpRequest(http.HttpRequest):
    """A request after this app's middleware: the person, and the organization that they work in."""

    user: User  # an AnonymousUser where nobody is signed in; views behind member_required have a User
    htmx: HtmxDetails
    request_id: str
    organization: Organization | None
    membership: Membership | None
    memberships: Sequence[Membership]  # in organizations that are not closed, by name


class MemberRequest(HttpRequest):
    """A request that passed ``member_required``."""

    organization: Organization
    membership: Membership


def is_machine(path: str) -> bool:
    """Return True for paths of programs: every error is JSON, without cookies and redirects."""
    return path.startswith(settings.MACHINE_PREFIXES) and path != CHANGE_PASSWORD


def actor_of(request: http.HttpRequest, kind: ActorKind = ActorKind.USER) -> Actor:
    """Return the actor of this request, for services and their audit events."""
    user = request.user if isinstance(request.user, User) else None
    return Actor(kind, user, request.META.get("REMOTE_ADDR") or None, getattr(request, "request_id", ""))


def is_local_path(url: str) -> bool:
    """Return True if a ``next`` URL stays on this site: an absolute path that no browser reads as another host."""
    return url.startswith("/") and url.isprintable() and url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def fragment_or_page(
    request: HttpRequest, fragment: str, page: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render the fragment if htmx swaps it in, else the whole page around it."""
    swaps = request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request
    response = render(request, fragment if swaps else page, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def shown_once(response: HttpResponse) -> HttpResponse:
    """Mark a response that shows a secret: no cache keeps it, and no other site learns its URL."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def problem_of(status: int) -> ProblemType:
    """Return the problem type for an error status that Django itself returned."""
    return _PROBLEMS.get(status, ProblemType.INTERNAL_ERROR if status >= 500 else ProblemType.MALFORMED_REQUEST)


def machine_error(request: http.HttpRequest, kind: ProblemType) -> HttpResponse:
    """Return an error for programs: problem+json, or RFC 6749 §5.2 JSON under ``/oauth/``."""
    problem = Problem(kind, kind.title)
    if request.path.startswith(OAUTH_PREFIX):
        response = HttpResponse(problem.oauth_body(), status=kind.status, content_type=JSON)
    else:
        body = problem.body(getattr(request, "request_id", ""))
        response = HttpResponse(body, status=kind.status, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response


def sign_in(request: HttpRequest) -> HttpResponse:
    """Redirect an anonymous visitor to sign in and then back here; for htmx, the whole page changes."""
    back = request.get_full_path() if request.method == "GET" else settings.LOGIN_REDIRECT_URL
    if not request.htmx:
        return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}")
    page = _page_around(request) or settings.LOGIN_REDIRECT_URL
    return HttpResponse(
        status=401, headers={"HX-Redirect": f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}"}
    )


def _page_around(request: HttpRequest) -> str | None:
    try:
        return request.htmx.current_url_abs_path
    except ValueError:  # the header holds no valid URL
        return None


def error_page(request: http.HttpRequest, *, status: int, title: str, detail: str, **more: Any) -> HttpResponse:
    """Render an error for people: a whole page, or only its core for htmx. Who is signed in keeps the frame."""
    named = getattr(request, "request_id", "")
    layout = "layouts/app.html" if isinstance(getattr(request, "user", None), User) else ""
    context = {"status": status, "title": title, "detail": detail, "request_id": named, "layout": layout, **more}
    template = "portal/_error.html" if request.headers.get("HX-Request") else "portal/error.html"
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def busy(request: http.HttpRequest) -> HttpResponse:
    """Return a 503: more passwords wait to be hashed than can be; nothing was changed."""
    response = error_page(
        request, status=503, title="Very busy right now", detail="Nothing was changed. Try again in a few seconds."
    )
    response["Retry-After"] = "2"
    return response


def forbidden(request: http.HttpRequest, action: Action) -> HttpResponse:
    """Return a 403 that names the roles that may do this, and the people who can give one."""
    organization: Organization | None = getattr(request, "organization", None)
    if organization is None:
        detail = "Create one, or ask whoever sent you here for an invitation."
        way_on = {"way_on": "Create an organization", "way_on_url": reverse("team:new_organization")}
        return error_page(request, status=403, title="You belong to no organization", detail=detail, **way_on)
    granters = Membership.objects.filter(
        organization=organization, role__in=ROLES_FOR[Action.MANAGE_ORGANIZATION], user__is_active=True
    ).select_related("user")
    return error_page(
        request,
        status=403,
        title="Your role does not allow this",
        detail=f"In {organization.name} you need to be an {_either(ROLES_FOR[action])}.",
        granters=[member.user.name_and_address for member in granters.order_by("pk")[:GRANTERS_NAMED]],
        more_granters=max(granters.count() - GRANTERS_NAMED, 0),
    )


def second_factor_needed(request: http.HttpRequest) -> HttpResponse:
    """Return a 403 that links to the set-up of a second factor."""
    organization: Organization | None = getattr(request, "organization", None)
    name = organization.name if organization else "This organization"
    return error_page(
        request,
        status=403,
        title="A second factor is needed here",
        detail=f"{name} asks its members to sign in with one. Set it up, then come back; keys keep working meanwhile.",
        way_on="Set up a second factor",
        way_on_url=reverse("mfa_index"),
    )


def _either(roles: frozenset[Role]) -> str:
    names = [role.value for role in Role if role in roles]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


View = Callable[Concatenate[MemberRequest, P], HttpResponseBase]
SAFE_METHODS = ("GET", "HEAD")


def member_required(
    action: Action, *, reveals: bool = False, widens: bool | Literal["by form"] = False
) -> Callable[[View[P]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """Restrict a view to members whose role allows the action.

    A POST that ``reveals`` a secret or ``widens`` access needs a proof of identity from the last 15 minutes. If only
    some of the view's forms widen access (``"by form"``), the view itself calls ``require_recent``.
    """

    def decorate(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return sign_in(request)
            if request.membership is None or not request.membership.can(action):
                return forbidden(request, action)
            if lacks_second_factor(request.user, request.membership.organization, now=timezone.now()):
                return second_factor_needed(request)
            if (reveals or widens is True) and request.method not in SAFE_METHODS:
                reauthentication.require_recent(request)
            return view(request, *args, **kwargs)  # type: ignore[arg-type]  # the guard has just made it a MemberRequest

        return guarded  # type: ignore[return-value]  # mypy takes the two kinds of request for the wrapped one

    return decorate
