"""Which clients a list shows, newest first, page by page. Reading starts from who may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from oauth.models import Client, ClientSecret, Grant
from portal.models import Organization

PAGE_SIZE = 50


@dataclass(frozen=True)
class Page:
    """At most 50 clients, and the one after which the next begin; empty where there are none."""

    clients: Sequence[Client]
    next_after: str


def visible_clients(organization: Organization) -> QuerySet[Client]:
    """The clients that members of the organization may see."""
    return Client.objects.filter(organization=organization).select_related("organization", "owner", "service_account")


def as_shown(clients: QuerySet[Client], *, now: datetime) -> QuerySet[Client]:
    """The clients with their grants, and with the secrets that have not ended as ``working_secrets``, newest first."""
    working = ClientSecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now)).order_by("-pk")
    grants = Grant.objects.select_related("api").order_by("pk")
    return clients.prefetch_related(Prefetch("secrets", working, to_attr="working_secrets"), Prefetch("grants", grants))


def page(clients: QuerySet[Client], *, after: str, now: datetime) -> Page:
    """The page that begins after the client of that id; an unknown one begins at the top."""
    last = clients.filter(public_id=after).first() if after else None
    rest = clients
    if last is not None:
        rest = clients.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.pk))
    rows = list(as_shown(rest, now=now).order_by("-created_at", "-id")[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    return Page(shown, shown[-1].public_id if len(rows) > PAGE_SIZE else "")
