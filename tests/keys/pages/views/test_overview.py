"""The first page, and the way from sign-up to the first request."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import Api, ApiKey, Usage
from keys.services.secrets import roll_credential
from portal.audit import Actor
from portal.models import AuditEvent, Organization
from tests.support.page import HTMX, queries_of, the

pytestmark = pytest.mark.django_db
OVERVIEW, WELCOME = "/app/", "/app/welcome/"
MAX_QUERIES = 16


def figures(html: str) -> dict[str, str]:
    found = LexborHTMLParser(html).css(".figure")
    return {figure.css("dt")[0].text(): figure.css("dd")[0].text(strip=True) for figure in found}


def test_without_keys_the_overview_is_the_way_to_the_first_one(acme: Organization, ada_client: Client) -> None:
    for where in (OVERVIEW, WELCOME):
        page = ada_client.get(where).text
        assert "Three steps to your first request" in page
        assert "/app/keys/new/" in page


def test_the_figures_say_whether_all_is_well(used_key: ApiKey, ada_client: Client, now: datetime) -> None:
    secret = used_key.secrets.get().public_id
    hour = now.replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(secret_id=secret, key=used_key, hour=hour, code="IP_DENIED", count=301)
    ApiKey.objects.filter(pk=used_key.pk).update(expires_at=now + timedelta(days=2))
    assert figures(ada_client.get(OVERVIEW).text) == {
        "Requests, 24 h": "1,505",
        "Denied, 24 h": "20.00%",
        "Active keys": "1",
        "Expiring in 7 days": "1",
    }


def test_what_needs_attention_is_named_and_the_rest_is_not(
    used_key: ApiKey, acme: Organization, api: Api, as_ada: Actor, ada_client: Client
) -> None:
    assert "Nothing. No key expires" in ada_client.get(OVERVIEW).text
    roll_credential(used_key, overlap=timedelta(hours=5), by=as_ada)
    page = LexborHTMLParser(ada_client.get(OVERVIEW).text)
    attention = the("[aria-labelledby=attention-title]", page).text()
    assert "billing worker" in attention
    assert "The old secret stops" in attention


def test_another_organizations_calls_and_events_are_not_counted(used_key: ApiKey, dov_client: Client) -> None:
    page = dov_client.get(OVERVIEW).text
    assert "billing worker" not in page
    assert "1,204" not in page


def test_the_overview_costs_the_same_with_two_keys_and_thirty(
    ada_client: Client, issue: Callable[[str], ApiKey]
) -> None:
    for name in ("first", "second"):
        issue(name)
    few = queries_of(ada_client, OVERVIEW)
    for index in range(28):
        issue(f"more-{index}")
    assert queries_of(ada_client, OVERVIEW) == few <= MAX_QUERIES


def test_the_organization_is_named_in_the_first_step(acme: Organization, ada_client: Client) -> None:
    answer = ada_client.post(WELCOME, {"name": "  Acme Robotics "}, follow=True)
    assert "Your organization is called Acme Robotics." in answer.text
    acme.refresh_from_db()
    assert acme.name == "Acme Robotics"
    event = AuditEvent.objects.get(action="organization.renamed")
    assert (event.before, event.after) == ({"name": "Acme"}, {"name": "Acme Robotics"})


@pytest.mark.parametrize("name", ["", "x" * 101, "a\u202eb"])
def test_a_bad_name_is_told_and_changes_nothing(acme: Organization, ada_client: Client, name: str) -> None:
    answer = ada_client.post(WELCOME, {"name": name})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    acme.refresh_from_db()
    assert acme.name == "Acme"


def test_only_owners_and_admins_name_the_organization(
    acme: Organization, ben_client: Client, cyn_client: Client
) -> None:
    for client in (ben_client, cyn_client):
        assert client.post(WELCOME, {"name": "Mine"}).status_code == 403
        assert "Save name" not in client.get(WELCOME).text


def test_a_page_that_waits_asks_until_the_first_request_or_two_minutes(
    key: ApiKey, ada_client: Client, use: Callable[[ApiKey, datetime], None], now: datetime
) -> None:
    where = f"/app/keys/{key.public_id}/first-use/"
    waiting = ada_client.get(where, {"since": int(now.timestamp())}, headers=HTMX)
    assert waiting.status_code == 200
    assert "Waiting for the first request" in waiting.text
    for since in (int(now.timestamp()) - 121, "", "x", "9" * 400, "-1", "²"):
        given_up = ada_client.get(where, {"since": since}, headers=HTMX)
        assert given_up.status_code == (200 if since == "9" * 400 else 286)
    use(key, now)
    seen = ada_client.get(where, {"since": int(now.timestamp())}, headers=HTMX)
    assert seen.status_code == 286
    assert "First request seen" in seen.text
    assert "203.0.113.9" in seen.text


def test_a_first_request_that_was_refused_is_told_with_its_reason(
    key: ApiKey, ada_client: Client, now: datetime
) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(secret_id=key.secrets.get().public_id, key=key, hour=hour, code="IP_DENIED", count=1)
    page = ada_client.get(WELCOME).text
    assert "The first request was refused" in page
    assert "/docs/#IP_DENIED" in page
