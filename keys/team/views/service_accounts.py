"""The pages about service accounts: members that own keys, without a person who signs in."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from keys.pages.forms.names import NameForm
from keys.pages.views.access import go_to
from keys.service_accounts import visible_service_accounts
from keys.team.forms import DepartureForm
from keys.team.members import left_view, possible_new_owners
from keys.team.services.departures import remove_service_account
from keys.team.views.access import may_manage_team
from keys.team.views.departures import describe
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action
from portal.refusals import Invalid, Refused
from portal.services.service_accounts import create_service_account


@require_safe
@member_required(Action.VIEW)
def show_service_accounts(request: MemberRequest) -> HttpResponse:
    """Show the service accounts, with their number of keys."""
    rows = visible_service_accounts(request.organization)
    return render(request, "team/service_accounts.html", {"rows": rows, "may_manage": may_manage_team(request)})


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_ORGANIZATION)
def new_service_account(request: MemberRequest) -> HttpResponse:
    """Create a service account by name."""
    form = NameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_service_account(request.organization, form.cleaned_data["name"], by=actor_of(request))
        except Refused as refusal:
            form.add_error(refusal.field if isinstance(refusal, Invalid) else None, str(refusal))
        else:
            messages.success(request, f"{made.name} can now own keys and OAuth clients. Choose it when you create one.")
            return go_to(request, reverse("team:service_accounts"))
    status = 422 if form.is_bound else 200
    context = {"form": form}
    return fragment_or_page(
        request, "team/_new_service_account.html", "team/new_service_account.html", context, status=status
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_ORGANIZATION)
def remove(request: MemberRequest, account_id: str) -> HttpResponse:
    """Remove a service account. The same step decides what happens to its credentials."""
    account = visible_service_accounts(request.organization).filter(public_id=account_id).first()
    if account is None:
        raise Http404
    left = left_view(account, request.organization)
    new_owners = possible_new_owners(request.organization, instead_of=account)
    form = DepartureForm(request.POST or None, new_owners=new_owners, leaves_any=bool(left.count))
    if request.method == "POST" and form.is_valid():
        try:
            departure = remove_service_account(account, new_owner=form.new_owner(), by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{account.name} is removed. {describe(departure, form.new_owner())}".strip())
            return go_to(request, reverse("team:service_accounts"))
    context = {"form": form, "account": account, "left": left}
    status = 422 if form.is_bound else 200
    return fragment_or_page(
        request, "team/_service_account_removal.html", "team/service_account_removal.html", context, status=status
    )
