"""Requests as our views see them, and the answers every page shares."""

from collections.abc import Callable, Mapping
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
HEALTH_PREFIXES = ("/healthz", "/readyz", "/metrics")
_PROBLEMS = {
    403: ProblemType.FORBIDDEN,
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.TOO_LARGE,
    503: ProblemType.UNAVAILABLE,
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
    return path.startswith(settings.MACHINE_PREFIXES) and path != CHANGE_PASSWORD


def actor_of(request: http.HttpRequest, kind: ActorKind = ActorKind.USER) -> Actor:
    """Who acts in this request, for services and their audit events."""
    user = request.user if isinstance(request.user, User) else None
    return Actor(kind, user, request.META.get("REMOTE_ADDR") or None, getattr(request, "request_id", ""))


def is_local_path(url: str) -> bool:
    """Whether a ``next`` address stays here: an absolute path, and nothing that a browser reads as another host."""
    return url.startswith("/") and url.isprintable() and url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def fragment_or_page(
    request: HttpRequest, fragment: str, page: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """The fragment where htmx asks to swap one in, else the whole page around it."""
    swaps = request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request
    response = render(request, fragment if swaps else page, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def shown_once(response: HttpResponse) -> HttpResponse:
    """An answer with a secret in it: nothing on its way keeps it, and no other page hears of its address."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def problem_of(status: int) -> ProblemType:
    """What Django itself refused with this status."""
    return _PROBLEMS.get(status, ProblemType.INTERNAL_ERROR if status >= 500 else ProblemType.MALFORMED_REQUEST)


def machine_error(request: http.HttpRequest, kind: ProblemType) -> HttpResponse:
    """An error as programs are told of it: problem+json, or RFC 6749 §5.2 JSON under ``/oauth/``."""
    problem = Problem(kind, kind.title)
    if request.path.startswith(OAUTH_PREFIX):
        response = HttpResponse(problem.oauth_body(), status=kind.status, content_type=JSON)
    else:
        body = problem.body(getattr(request, "request_id", ""))
        response = HttpResponse(body, status=kind.status, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response


def sign_in(request: HttpRequest) -> HttpResponse:
    """Send a stranger to sign in and then back here; htmx is told to leave the page."""
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
    except ValueError:  # what the header holds is no address
        return None


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
        detail=f"In {organization.name} this takes the role {_either(ROLES_FOR[action])}.",
        granters=[member.user.display_name for member in granters.order_by("pk")[:10]],
    )


def second_factor_needed(request: http.HttpRequest) -> HttpResponse:
    """403, with the way to set one up."""
    organization: Organization | None = getattr(request, "organization", None)
    name = organization.name if organization else "This organization"
    return error_page(
        request,
        status=403,
        title="A second factor is needed here",
        detail=f"{name} asks its members to sign in with one. Set it up, then come back; keys go on working meanwhile.",
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
    """Let a view be asked only by members whose role allows the action.

    A POST that ``reveals`` a secret or ``widens`` what somebody or something may do asks again who it is, 15 minutes
    after it was last shown. Where only some of the forms sent widen (``"by form"``), the view calls ``require_recent``.
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
