"""The list of clients."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.views.access import may_make
from oauth import client_list
from oauth.views.access import as_view
from portal.http import MemberRequest, member_required
from portal.permissions import Action


@require_safe
@member_required(Action.VIEW)
def show_list(request: MemberRequest) -> HttpResponse:
    """The organization's clients, newest first."""
    now = timezone.now()
    clients = client_list.visible_clients(request.organization)
    after = request.GET.get("after", "")
    page = client_list.page(clients, after=after, now=now)
    total = clients.count()
    here = reverse("clients:list")
    context = {
        "rows": [as_view(request, client, now=now) for client in page.clients],
        "caption": f"{len(page.clients)} of {total:,} {'client' if total == 1 else 'clients'}",
        "total": total,
        "first_href": here if after else "",
        "more_href": f"{here}?after={page.next_after}" if page.next_after else "",
        "may_make": may_make(request),
    }
    return render(request, "oauth/client_list.html", context)
