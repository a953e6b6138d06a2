"""Which clients a list shows: what it asks of keys it asks of them, and their scopes and APIs stand in grants."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from keys.models import Api, Environment, RevokeReason
from keys.pages import listing
from keys.pages.listing import ListingFilter, Sort
from keys.rules.states import CredentialStatus
from keys.services.apis import ApiSettings, ScopeSettings, create_api
from oauth.models import Client, ClientSecret
from oauth.pages.client_pages import CLIENTS, visible_clients
from oauth.pages.presenters import client_view
from oauth.services.clients import ClientSettings, Grants, IssuedClient, create_client
from portal.audit import COMMAND
from portal.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
Make = Callable[..., Client]


@pytest.fixture
def make(acme: Organization, api: Api) -> Make:
    """Make a client of Acme, with columns set as no service would."""

    def made(name: str = "sync", grants: Grants | None = None, **columns: object) -> Client:
        wanted = grants or {api.public_id: ["orders:read"]}
        client = create_client(
            acme, ClientSettings(name), grants=wanted, environment=Environment.LIVE, by=COMMAND
        ).credential
        Client.objects.filter(pk=client.pk).update(**columns)
        return client

    return made


def names(acme: Organization, now: datetime, **wanted: str | CredentialStatus) -> list[str]:
    clients = CLIENTS.matching(visible_clients(acme), ListingFilter(**wanted), now=now)  # type: ignore[arg-type]
    return [client.name for client in CLIENTS.page(clients, sort=Sort.NAME, after="", now=now).rows]


def test_a_status_means_the_same_to_a_filter_and_to_a_page(make: Make, acme: Organization, now: datetime) -> None:
    past = now - timedelta(days=1)
    ways: list[dict[str, object]] = [
        {},
        {"revoked_at": past, "revoke_reason": RevokeReason.LEAKED},
        {"revoked_at": past, "revoke_reason": RevokeReason.OTHER, "disabled_at": past},
        {"disabled_at": past},
        {"created_at": now - timedelta(days=14)},
        {"created_at": now - timedelta(days=13)},
        {"last_used_at": now - timedelta(days=90)},
        {"last_used_at": past},
    ]
    retiring, *_ = [make(**way) for way in ways]
    ClientSecret.objects.filter(client=retiring).update(ends_at=now + timedelta(days=1))
    other = ClientSecret.objects.exclude(client=retiring)[0]
    ClientSecret.objects.filter(pk=other.pk).update(client=retiring)
    said: dict[CredentialStatus, set[int]] = {status: set() for status in CLIENTS.statuses}
    for client in CLIENTS.with_working_secrets(visible_clients(acme), now=now):
        said[client_view(client, client.working_secrets, may_manage=True, now=now).status].add(client.pk)  # type: ignore[attr-defined]
    for status in CLIENTS.statuses:
        found = CLIENTS.having_status(visible_clients(acme), [status], now=now)
        assert {client.pk for client in found} == said[status], status
    assert {status for status, clients in said.items() if clients} == set(CLIENTS.statuses) - {
        CredentialStatus.SUSPENDED
    }


def test_clients_are_found_by_what_they_may_do_and_where_each_once(
    make: Make, acme: Organization, api: Api, now: datetime
) -> None:
    other = create_api("https://b.example.com", ApiSettings("B", {"orders:read": ScopeSettings("")}), by=COMMAND).api
    both = {each.public_id: ["orders:read"] for each in (api, other)}
    make("both", both)
    make("here", {api.public_id: ["orders:read", "orders:write"]})
    assert names(acme, now, scope="orders:read") == names(acme, now, text="orders:re") == ["both", "here"]
    assert names(acme, now, scope="orders:write") == ["here"]
    assert names(acme, now, scope="orders") == []
    assert names(acme, now, api=api.public_id) == ["both", "here"]
    assert names(acme, now, api=other.public_id, scope="orders:read") == ["both"]
    assert names(acme, now, environment="test") == names(acme, now, owner="user_unknown") == []


def test_a_client_is_found_by_its_secret_and_by_part_of_it_within_its_own_organization(
    issued: IssuedClient, acme: Organization, initech: Organization, now: datetime
) -> None:
    assert CLIENTS.find_by_secret(visible_clients(acme), issued.secret_text) == issued.credential
    assert CLIENTS.find_by_secret(visible_clients(initech), issued.secret_text) is None
    part = listing.searchable(issued.secret_text)
    assert part in issued.secret.hint
    assert names(acme, now, text=part) == names(acme, now, text=issued.credential.public_id) == [issued.credential.name]


@pytest.mark.parametrize("sort", CLIENTS.sorts)
def test_pages_show_every_client_once(
    make: Make, acme: Organization, now: datetime, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    for index in range(4):
        make("same", created_at=now)
        make(f"sync-{index}", last_used_at=now)
    seen, after = [], ""
    for _ in range(3):
        page = CLIENTS.page(visible_clients(acme), sort=sort, after=after, now=now)
        seen += [client.pk for client in page.rows]
        after = page.next_cursor
    assert len(set(seen)) == len(seen) == 8
    assert after == ""
