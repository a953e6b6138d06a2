"""Somebody leaves: their keys first, then the word."""

from django.contrib import messages
from django.db.models import F
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.forms.team import DepartureForm
from keys.presenters import spread_words
from keys.services.departures import Departure, Heir, keys_left_by, remove_member
from keys.team import possible_heirs
from keys.views.access import go_to
from keys.views.team.access import get_member
from portal.http import MemberRequest, actor_of, forbidden, fragment_or_page, member_required
from portal.models import Organization
from portal.permissions import Action
from portal.refusals import Refused

KEYS_SHOWN = 10


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def remove(request: MemberRequest, user_id: str) -> HttpResponse:
    """Remove a member, or leave: what becomes of the keys is decided in the same step."""
    row = get_member(request, user_id)
    if not row.may_remove:
        return forbidden(request, Action.MANAGE_ORGANIZATION)
    user = row.membership.user
    keys = facts_of_keys(user, request.organization)
    heirs = possible_heirs(request.organization, instead_of=user)
    form = DepartureForm(request.POST or None, heirs=heirs, has_keys=bool(keys["count"]))
    if request.method == "POST" and form.is_valid():
        try:
            departure = remove_member(row.membership, heir=form.heir(), by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            who = "You have left" if row.is_oneself else f"{user.display_name} is no longer a member of"
            messages.success(request, f"{who} {request.organization.name}. {told(departure, form.heir())}".strip())
            return go_to(request, reverse("keys:overview") if row.is_oneself else reverse("team:members"))
    context = {"form": form, "row": row, "keys": keys}
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "team/_removal.html", "team/removal.html", context, status=status)


def facts_of_keys(owner: Heir, organization: Organization) -> dict[str, object]:
    """The keys that whoever goes leaves behind, those in use first."""
    keys = keys_left_by(owner, organization)
    latest = keys.order_by(F("last_used_at").desc(nulls_last=True), "pk")[:KEYS_SHOWN]
    count = keys.count()
    return {"count": count, "shown": latest, "more": max(count - KEYS_SHOWN, 0)}


def told(departure: Departure, heir: Heir | None) -> str:
    """What became of the keys, in words; empty where there were none."""
    if not departure.keys:
        return ""
    keys = "1 key" if departure.keys == 1 else f"{departure.keys:,} keys"
    if heir is None:
        return f"{keys} revoked. {spread_words('Refused', departure.propagation)}"
    name = getattr(heir, "display_name", None) or str(heir)
    return f"{name} now owns {keys}; requests go on as before."
