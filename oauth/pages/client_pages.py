"""The pages of OAuth clients. Every query starts from the clients that the member may see."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from keys.pages.credential_pages import CredentialPages
from keys.pages.listing import Listing, scopes_contain
from keys.rules.secret import SecretKind
from oauth.models import Client, ClientSecret, Grant
from oauth.pages import snippets
from oauth.pages.presenters import ClientView, client_view, issue_words
from oauth.pages.usage import tokens_of_client
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
    grants = Prefetch("grants", Grant.objects.select_related("api").order_by("pk"))
    return organization.clients.select_related("owner", "service_account").prefetch_related(grants)


def _views(clients: Sequence[Client], may_manage: Callable[[Client], bool], now: datetime) -> list[ClientView]:
    return [
        client_view(client, client.working_secrets, may_manage=may_manage(client), now=now)  # type: ignore[attr-defined]  # prefetched
        for client in clients
    ]


def _use_words(client: Client, now: datetime) -> str:
    return issue_words(tokens_of_client(client, now=now))


def _secret_context(client: Client, secret_text: str) -> Mapping[str, object]:
    return {"snippets": snippets.with_secret(client, secret_text), "variable": snippets.VARIABLE}


CLIENT_PAGES = CredentialPages(
    words=ClientView.words,
    listing=CLIENTS,
    visible=visible_clients,
    view=client_view,
    views=_views,
    use_words=_use_words,
    secret_context=_secret_context,
    created="oauth/_client_created.html",
    edit_page="oauth/client_edit.html",
    search_hint="Name, part of the secret, scope, id",
    list_page="oauth/client_list.html",
    list_columns="oauth/_client_columns.html",
    list_cells="oauth/_client_cells.html",
)
