"""The page of what happened."""

import pytest
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import ApiKey
from keys.services.credentials import disable_credential, enable_credential
from keys.services.keys import KeySettings, edit_key
from portal import activity
from portal.audit import Actor
from portal.models import User
from tests.support.page import HTMX, queries_of, the

pytestmark = pytest.mark.django_db
ACTIVITY = "/app/activity/"


def lines(html: str) -> list[str]:
    return [" ".join(line.text().split()) for line in LexborHTMLParser(html).css(".event__line > span")]


def test_each_row_tells_who_did_what_and_unfolds_to_before_and_after(
    key: ApiKey, ada_client: Client, as_ada: Actor
) -> None:
    edit_key(key, KeySettings("renamed", scopes=["orders:read"]), by=as_ada)
    page = ada_client.get(ACTIVITY).text
    newest, oldest = lines(page)
    assert newest.startswith("Ada edited the key renamed")
    assert oldest.startswith("Ada created the key billing worker")
    unfolded = the("details.event__changes", page).text()
    for part in (
        "203.0.113.7, 2 changes", "billing worker", "renamed", "orders:read, orders:write", "req_test",
        "ada@example.com",
    ):  # fmt: skip
        assert part in unfolded


def test_filters_narrow_and_nonsense_narrows_nothing(key: ApiKey, ada: User, ada_client: Client, as_ada: Actor) -> None:
    disable_credential(key, by=as_ada)
    assert len(lines(ada_client.get(ACTIVITY, {"action": "key.disabled", "actor": ada.public_id}).text)) == 1
    assert "No event fits" in ada_client.get(ACTIVITY, {"until": "2001-01-01"}).text
    wrong = {"action": "x", "actor": "user_x", "since": "x", "until": "9999-12-31", "after": "x"}
    assert len(lines(ada_client.get(ACTIVITY, wrong).text)) == 2


def test_going_on_works_with_and_without_a_script(
    key: ApiKey, ada_client: Client, as_ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "PAGE_SIZE", 2)
    disable_credential(key, by=as_ada)
    enable_credential(key, by=as_ada)
    for where in (ACTIVITY, f"/app/keys/{key.public_id}/activity/"):
        first = ada_client.get(where).text
        more = the("#events-more a[href]", first).attributes["href"] or ""
        rows = ada_client.get(more, headers=HTMX | {"HX-Target": "events-more"}).text
        rest = ada_client.get(more).text
        assert (len(lines(first)), len(lines(rest)), len(lines(rows))) == (2, 1, 1)
        assert "<html" not in rows
        assert (rows.count("data-focus"), (first + rest).count("data-focus")) == (1, 0)
        assert "Back to the newest" in rest


def test_exports_are_offered_only_where_there_are_some(key: ApiKey, ada_client: Client) -> None:
    assert "Export what fits the filters" in ada_client.get(ACTIVITY).text
    assert "Export" not in ada_client.get(f"/app/keys/{key.public_id}/activity/").text


def test_more_events_cost_no_more_queries(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    few = queries_of(ada_client, ACTIVITY)
    for _ in range(15):
        disable_credential(key, by=as_ada)
        enable_credential(key, by=as_ada)
    assert queries_of(ada_client, ACTIVITY) == few
    assert len(lines(ada_client.get(ACTIVITY).text)) == 31


def test_another_organizations_events_are_not_shown(key: ApiKey, dov_client: Client) -> None:
    assert lines(dov_client.get(ACTIVITY).text) == []
