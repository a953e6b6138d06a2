"""Remove a member, or leave: show the credentials first, then ask."""

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.pages.presenters import spread_words
from keys.pages.views.access import go_to
from keys.team.forms import DepartureForm
from keys.team.members import count_words, left_view, possible_new_owners
from keys.team.services.departures import CredentialOwner, Departure, remove_member
from keys.team.views.access import get_member
from portal.http import MemberRequest, actor_of, forbidden, fragment_or_page, member_required
from portal.permissions import Action
from portal.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def remove(request: MemberRequest, user_id: str) -> HttpResponse:
    """Remove a member, or leave. The same step decides what happens to the credentials."""
    row = get_member(request, user_id)
    if not row.may_remove:
        return forbidden(request, Action.MANAGE_ORGANIZATION)
    user = row.membership.user
    left = left_view(user, request.organization)
    new_owners = possible_new_owners(request.organization, instead_of=user)
    form = DepartureForm(request.POST or None, new_owners=new_owners, leaves_any=bool(left.count))
    if request.method == "POST" and form.is_valid():
        try:
            departure = remove_member(row.membership, new_owner=form.new_owner(), by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            who = "You have left" if row.is_oneself else f"{user.display_name} is no longer a member of"
            messages.success(
                request, f"{who} {request.organization.name}. {describe(departure, form.new_owner())}".strip()
            )
            return go_to(request, reverse("keys:overview") if row.is_oneself else reverse("team:members"))
    context = {"form": form, "row": row, "left": left}
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "team/_removal.html", "team/removal.html", context, status=status)


def describe(departure: Departure, new_owner: CredentialOwner | None) -> str:
    """Describe what happened to the credentials; empty if there were none."""
    words = count_words(departure.counts)
    if not words:
        return ""
    if new_owner is None:
        return f"{words} revoked. {spread_words('Requests are refused', departure.propagation)}"
    return f"{new_owner.display_name} now owns {words}; requests go on as before."
