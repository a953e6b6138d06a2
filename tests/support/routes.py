"""URLs for tests only, to test the middleware and error handling around every view."""

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.http import require_POST

from portal import urls
from portal.accounts.passwords import PasswordsBusy
from portal.audit import NotAllowed
from portal.http import HttpRequest as OurRequest
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action, Role


def seen(request: HttpRequest) -> JsonResponse:
    """Respond with the request as a view sees it."""
    actor = actor_of(request)
    return JsonResponse(
        {
            "address": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "host": request.get_host(),
            "forwarded": [name for name in request.META if "FORWARDED" in name],
            "organization": getattr(getattr(request, "organization", None), "name", None),
            "actor": [actor.kind, actor.label, actor.address, actor.request_id],
        }
    )


def failing(_request: HttpRequest) -> HttpResponse:
    """Raise an unexpected exception."""
    raise RuntimeError("a bug")


def busy(_request: HttpRequest) -> HttpResponse:
    """Raise PasswordsBusy, as when more passwords are being checked than there are cores."""
    raise PasswordsBusy


def unreachable(_request: HttpRequest) -> HttpResponse:
    """Raise the error of a database that does not answer."""
    raise OperationalError("the connection is lost")


def refused(_request: HttpRequest) -> HttpResponse:
    """Raise NotAllowed, as a service does."""
    raise NotAllowed(Action.MANAGE_ORGANIZATION, Role.VIEWER)


@require_POST
def only_post(_request: HttpRequest) -> HttpResponse:
    """Accept a POST."""
    return HttpResponse("done")


@member_required(Action.VIEW)
def viewable(request: MemberRequest) -> HttpResponse:
    """A page for every member."""
    return HttpResponse(f"{request.organization.name} {request.membership.role}")


@member_required(Action.MANAGE_KEYS)
def manageable(_request: MemberRequest) -> HttpResponse:
    """A page for members who may manage keys."""
    return HttpResponse("managed")


def swappable(request: OurRequest) -> HttpResponse:
    """A page that is served whole or as a fragment."""
    return fragment_or_page(
        request, "portal/_error.html", "portal/error.html", {"title": "T", "detail": "D"}, status=422
    )


def cached(_request: HttpRequest) -> HttpResponse:
    """A page that sets its own Cache-Control."""
    return HttpResponse("x", headers={"Cache-Control": "private, max-age=5"})


urlpatterns = [
    path("seen/", seen),
    path("v1/seen", seen),
    path("v1/failing", failing),
    path("v1/only-post", only_post),
    path("oauth/failing", failing),
    path("failing/", failing),
    path("busy/", busy),
    path("unreachable/", unreachable),
    path("v1/unreachable", unreachable),
    path("refused/", refused),
    path("only-post/", only_post),
    path("viewable/", viewable),
    path("manageable/", manageable),
    path("swappable/", swappable),
    path("cached/", cached),
    path("", include("portal.urls")),
]
handler400, handler403, handler404 = urls.handler400, urls.handler403, urls.handler404
handler429, handler500 = urls.handler429, urls.handler500
