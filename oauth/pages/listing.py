"""Queries of the list of OAuth clients. Each starts from the clients that the member may see."""

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from keys.pages.listing import Listing, scopes_contain
from keys.rules.secret import SecretKind
from oauth.models import Client, ClientSecret, Grant
from portal.models import Organization

CLIENTS: Listing[Client] = Listing(
    secrets=ClientSecret.objects.all(),
    owner_field="client",
    kinds=frozenset({SecretKind.CLIENT}),
    api="grants__api",
    having_scopes=lambda text: Q(Exists(Grant.objects.filter(scopes_contain(text), client=OuterRef("pk")))),
    is_paused=Q(disabled_at__isnull=False),
    has_end=False,
)


def visible_clients(organization: Organization) -> QuerySet[Client]:
    """The organization's clients, which all of its members may see, with their grants."""
    clients = Client.objects.filter(organization=organization)
    grants = Prefetch("grants", Grant.objects.select_related("api").order_by("pk"))
    return clients.select_related("organization", "owner", "service_account").prefetch_related(grants)
