"""The pages about organizations: create, settings, close."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.pages import usage_reports
from keys.pages.forms.names import OrganizationNameForm
from keys.pages.key_pages import KEYS, visible_keys
from keys.pages.presenters import spread_words
from keys.pages.views.access import go_to
from keys.rules.states import CredentialStatus
from keys.team.policy_effects import breaking_keys, policy_words
from keys.team.views.access import may_manage_team
from portal.http import HttpRequest, MemberRequest, actor_of, forbidden, fragment_or_page, member_required
from portal.metadata import spell_metadata
from portal.middleware import SESSION_ORGANIZATION
from portal.permissions import Action
from portal.refusals import Refused
from portal.services.organizations import close_organization, create_organization, rename_organization
from portal.ui.typed_names import TypedNameForm

WORKING = (
    CredentialStatus.RETIRING,
    CredentialStatus.EXPIRES_SOON,
    CredentialStatus.NEVER_USED,
    CredentialStatus.IDLE,
    CredentialStatus.ACTIVE,
)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_organization(request: HttpRequest) -> HttpResponse:
    """Create another organization and switch to it; people without any organization may do so too."""
    form = OrganizationNameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_organization(form.cleaned_data["name"], owner=request.user, by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            request.session[SESSION_ORGANIZATION] = made.public_id
            messages.success(request, f"{made.name} is yours. You are working in it now.")
            return go_to(request, reverse("keys:overview"))
    status = 422 if form.is_bound else 200
    return fragment_or_page(
        request, "team/_new_organization.html", "team/new_organization.html", {"form": form}, status=status
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def organization_settings(request: MemberRequest) -> HttpResponse:
    """Show the name, the policies, and how to leave or close; a POST renames the organization."""
    organization = request.organization
    if request.method == "POST" and not may_manage_team(request):
        return forbidden(request, Action.MANAGE_ORGANIZATION)
    form = OrganizationNameForm(request.POST or None, initial={"name": organization.name})
    if request.method == "POST" and form.is_valid():
        renamed = rename_organization(organization, form.cleaned_data["name"], by=actor_of(request))
        messages.success(request, f"The organization is now called {renamed.organization.name}.")
        return go_to(request, reverse("team:settings"))
    context = {
        "form": form,
        "organization": organization,
        "operator_metadata": spell_metadata(organization.operator_metadata),
        "may_manage": may_manage_team(request),
        "policies": policy_words(organization.policies),
        "breaking": len(breaking_keys(organization, organization.policies, now=timezone.now())),
        "may_close": request.membership.can(Action.CLOSE_ORGANIZATION),
    }
    return render(request, "team/settings.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.CLOSE_ORGANIZATION)
def close(request: MemberRequest) -> HttpResponse:
    """Close the organization and end all its credentials: show the facts, and ask for its name."""
    organization = request.organization
    form = TypedNameForm(request.POST or None, expected_name=organization.name)
    if request.method == "POST" and form.is_valid():
        closed = close_organization(organization, by=actor_of(request))
        messages.success(
            request, f"{organization.name} is closed. {spread_words('Requests are refused', closed.propagation)}"
        )
        return go_to(request, reverse("keys:overview"))
    now = timezone.now()
    context = {
        "form": form,
        "organization": organization,
        "working": KEYS.having_status(visible_keys(organization), WORKING, now=now).count(),
        "calls": usage_reports.calls_of_organization(organization, now=now),
        "members": organization.memberships.count(),
    }
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "team/_closing.html", "team/closing.html", context, status=status)
