"""The list of clients."""

from collections.abc import Sequence
from datetime import datetime

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from keys.pages.views import listing
from keys.pages.views.listing import ListPage
from oauth.models import Client
from oauth.pages.listing import CLIENTS, visible_clients
from oauth.pages.presenters import ClientView
from oauth.pages.views.access import as_view
from portal.http import MemberRequest, member_required
from portal.permissions import Action


@sensitive_post_parameters("q")
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def show_list(request: MemberRequest) -> HttpResponse:
    """Show the organization's clients, with search, filters and sorting."""
    return listing.show_list(request, CLIENT_LIST)


def _views(request: MemberRequest, clients: Sequence[Client], now: datetime) -> list[ClientView]:
    return [as_view(request, client, now=now) for client in clients]


CLIENT_LIST = ListPage(
    words=ClientView.words,
    listing=CLIENTS,
    visible=visible_clients,
    views=_views,
    search_hint="Name, part of the secret, scope, id",
    template="oauth/client_list.html",
    columns="oauth/_client_columns.html",
    body="oauth/_client_tbody.html",
)
