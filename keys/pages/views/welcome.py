"""The steps from sign-up to the first request: name the organization, create a key, use it."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from keys.models import ApiKey
from keys.pages import usage_reports
from keys.pages.forms.names import OrganizationNameForm
from keys.pages.key_pages import KEY_PAGES, visible_keys
from keys.pages.snippets import with_variable
from keys.pages.views.access import get_credential, go_to, may_make
from portal import reauthentication
from portal.audit_actions import AuditAction
from portal.http import MemberRequest, actor_of, forbidden, member_required
from portal.models import AuditEvent
from portal.permissions import Action
from portal.services.organizations import rename_organization

STOP_POLLING = 286  # htmx: swap, and stop polling
WAIT = timedelta(minutes=2)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def welcome(request: MemberRequest) -> HttpResponse:
    """Show the three steps; a POST names the organization."""
    if request.method != "POST":
        return show_steps(request)
    if not request.membership.can(Action.MANAGE_ORGANIZATION):
        return forbidden(request, Action.MANAGE_ORGANIZATION)
    form = OrganizationNameForm(request.POST)
    if not form.is_valid():
        return show_steps(request, form)
    renamed = rename_organization(request.organization, form.cleaned_data["name"], by=actor_of(request))
    messages.success(request, f"Your organization is now called {renamed.organization.name}.")
    return go_to(request, reverse("keys:welcome"))


def show_steps(request: MemberRequest, form: OrganizationNameForm | None = None) -> HttpResponse:
    """Show the organization's progress; the overview shows this too while there is no key."""
    key = newest_key(visible_keys(request.organization))
    is_named = AuditEvent.objects.filter(
        organization_id=request.organization.public_id, action=AuditAction.ORGANIZATION_RENAMED
    ).exists()
    context = {
        "form": form or OrganizationNameForm(initial={"name": request.organization.name}),
        "key": key,
        "is_named": is_named or key is not None,
        "may_name": request.membership.can(Action.MANAGE_ORGANIZATION),
        "may_make": may_make(request),
        **(first_request_of(key, now=timezone.now()) if key else {}),
    }
    return render(request, "keys/welcome.html", context, status=422 if form else 200)


@require_safe
@member_required(Action.VIEW)
def first_use(request: MemberRequest, public_id: str) -> HttpResponse:
    """Tell a polling page whether the key was used; it polls every 3 s, and is told to stop after 2 minutes."""
    now = timezone.now()
    context = first_use_of(get_credential(request, KEY_PAGES, public_id), now=now)
    is_on_key_page = reauthentication.page_around(request) == reverse("keys:detail", args=[public_id])
    since = request.GET.get("since", "")
    is_over = not since.isdecimal() or now.timestamp() - int(since[:12]) > WAIT.total_seconds()
    status = STOP_POLLING if is_over or context["code"] else 200
    return render(
        request,
        "keys/_first_use_line.html",
        {**context, "is_over": is_over, "is_on_key_page": is_on_key_page},
        status=status,
    )


def newest_key(keys: QuerySet[ApiKey]) -> ApiKey | None:
    """Return the key to send a first request with: the newest that is not revoked."""
    return keys.filter(revoked_at=None).order_by("-created_at").first()


def first_request_of(key: ApiKey, *, now: datetime) -> dict[str, object]:
    """Return the context of templates/keys/_quickstart.html: how to send a first request, and whether it came."""
    return {"snippets": with_variable(), **first_use_of(key, now=now)}


def first_use_of(key: ApiKey, *, now: datetime) -> dict[str, object]:
    """Return the code of the key's first request and its secret; the code is empty if there was no request."""
    return {
        "key": key,
        "code": usage_reports.first_code(key) or "",
        "first_secret": key.secrets.exclude(last_used_at=None).order_by("pk").first(),
        "since": int(now.timestamp()),
    }
