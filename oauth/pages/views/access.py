"""Look up the client of a page, within the member's organization."""

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from keys.pages.views.access import go_to, may_change
from oauth.models import Client
from oauth.pages.listing import CLIENTS, visible_clients
from oauth.pages.presenters import ClientView, client_view
from portal.http import MemberRequest


def get_client(request: MemberRequest, public_id: str) -> Client:
    """The organization's client; 404 alike for another organization's client and for an unknown id."""
    return get_object_or_404(visible_clients(request.organization), public_id=public_id)


def get_view(request: MemberRequest, public_id: str, *, now: datetime | None = None) -> ClientView:
    """The view of the client for this member, with its working secrets; 404 as ``get_client``."""
    now = now or timezone.now()
    clients = CLIENTS.with_working_secrets(visible_clients(request.organization), now=now)
    client = get_object_or_404(clients, public_id=public_id)
    return as_view(request, client, now=now)


def as_view(request: MemberRequest, client: Client, *, now: datetime) -> ClientView:
    """The view for this member of a client that was read with its working secrets."""
    return client_view(client, client.working_secrets, may_manage=may_change(request, client), now=now)  # type: ignore[attr-defined]  # prefetched


def back(request: MemberRequest, public_id: str) -> HttpResponse:
    """Redirect to the client's page after a change."""
    return go_to(request, reverse("clients:detail", args=[public_id]))
