"""The first page, and the way from sign-up to the first request."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import Api, ApiKey, RevokeReason, Usage
from keys.services.credentials import revoke_credential
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


def test_until_a_first_request_the_overview_shows_how_to_send_one_and_no_empty_chart(
    key: ApiKey, ada_client: Client, use: Callable[[ApiKey, datetime], None], now: datetime
) -> None:
    page = LexborHTMLParser(ada_client.get(OVERVIEW).text)
    assert "Waiting for the first request" in the("#first-use", page).text()
    assert "Recent activity" in page.text()
    assert not page.css(".figure, .chart")
    use(key, now)
    assert "Waiting for the first request" not in ada_client.get(OVERVIEW).text
    assert figures(ada_client.get(OVERVIEW).text)["Active keys"] == "1"


def test_while_the_organization_is_suspended_nobody_is_asked_to_send_a_request(key: ApiKey, ada_client: Client) -> None:
    key_page = f"/app/keys/{key.public_id}/"
    assert "Needs attention" in ada_client.get(OVERVIEW).text
    assert "Send the first request" in ada_client.get(key_page).text
    Organization.objects.update(suspended_at=key.created_at)
    for page in (ada_client.get(OVERVIEW).text, ada_client.get(key_page).text):
        assert "Send the first request" not in page
        assert "Needs attention" not in page


def test_a_first_request_that_was_refused_ends_the_waiting(key: ApiKey, ada_client: Client, now: datetime) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(secret_id=key.secrets.get().public_id, key=key, hour=hour, code="IP_DENIED", count=1)
    assert figures(ada_client.get(OVERVIEW).text)["Denied, 24 h"] == "100.00%"


def test_a_key_that_is_revoked_is_not_waited_for(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    for where in (OVERVIEW, WELCOME):
        assert "Create a key" in ada_client.get(where).text
        assert "Waiting for the first request" not in ada_client.get(where).text


@pytest.mark.parametrize(("asked", "days"), [("", 7), ("30", 30), ("90", 90), ("8", 7), ("x", 7)])
def test_the_chart_shows_the_range_that_was_asked_for(
    used_key: ApiKey, ada_client: Client, asked: str, days: int
) -> None:
    chart = the("#chart", ada_client.get(OVERVIEW, {"days": asked}).text)
    assert the("[aria-current=true]", str(chart.html)).text() == f"{days} days"
    assert len(chart.css("tbody tr")) == days
    assert chart.css("tbody th")[-1].text() == "Today so far"


def test_numbers_have_separators(used_key: ApiKey, ada_client: Client) -> None:
    ApiKey.objects.filter(pk=used_key.pk).update(quota={"limit": 10_000, "refill": "month"})
    assert figures(ada_client.get(f"/app/keys/{used_key.public_id}/").text)["Uses left"].startswith("10,000")


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


def test_if_more_need_attention_than_are_named_links_lead_to_all_of_them(
    issue: Callable[[str], ApiKey], as_ada: Actor, ada_client: Client, now: datetime
) -> None:
    keys = [issue(f"worker-{number}") for number in range(5)]
    ApiKey.objects.update(expires_at=now + timedelta(days=2))
    assert "See all" not in ada_client.get(OVERVIEW).text
    issue("worker-5")
    ApiKey.objects.update(expires_at=now + timedelta(days=2))
    for key in keys[:2]:
        roll_credential(key, overlap=timedelta(hours=5), by=as_ada)
    links = the("[aria-labelledby=attention-title]", ada_client.get(OVERVIEW).text).css("p > a")
    assert [link.text() for link in links] == ["Retiring (2)", "Expires soon (4)"]
    listed = LexborHTMLParser(ada_client.get(links[0].attributes["href"] or "").text).css("td.cell-main > a")
    assert [row.text() for row in listed] == ["worker-1", "worker-0"]


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
    assert "Your organization is now called Acme Robotics." in answer.text
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


def test_the_keys_own_page_brings_its_other_parts_up_to_date_when_the_first_request_is_seen(
    key: ApiKey, ada_client: Client, use: Callable[[ApiKey, datetime], None], now: datetime
) -> None:
    use(key, now)
    own = f"/app/keys/{key.public_id}/"
    for page, is_renewed in ((own, True), (f"{own}?days=7", True), ("/app/", False)):
        headers = HTMX | {"HX-Current-URL": f"{settings.PUBLIC_URL}{page}"}
        seen = ada_client.get(f"{own}first-use/", {"since": int(now.timestamp())}, headers=headers)
        assert ('hx-select="#secrets"' in seen.text) is is_renewed
    shown = LexborHTMLParser(ada_client.get(own).text)
    assert the("#secrets", shown)
    assert "not been used" not in shown.text()


def test_a_first_request_that_was_refused_is_told_with_its_reason(
    key: ApiKey, ada_client: Client, now: datetime
) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(secret_id=key.secrets.get().public_id, key=key, hour=hour, code="IP_DENIED", count=1)
    page = ada_client.get(WELCOME).text
    assert "The first request was refused" in page
    assert "/docs/#IP_DENIED" in page
