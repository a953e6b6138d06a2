"""Events as files hold what the page shows, and nothing that a spreadsheet would run."""

import csv
import io
import json

import pytest
from django.test import Client

from keys.activity_export import file_of
from keys.models import ApiKey
from keys.services.keys import KeySettings, edit_key
from portal.audit import Actor
from portal.models import AuditEvent

pytestmark = pytest.mark.django_db
EXPORT = "/app/activity/activity"


def rows(answer: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode())))  # type: ignore[attr-defined]  # of a client


def test_both_formats_tell_before_and_after(key: ApiKey, as_ada: Actor, cyn_client: Client) -> None:
    edit_key(key, KeySettings("renamed", scopes=["orders:read"]), by=as_ada)
    newest = json.loads(cyn_client.get(f"{EXPORT}.json").content)[0]
    assert (newest["action"], newest["actor"]) == ("key.edited", "ada@example.com")
    assert (newest["before"]["name"], newest["after"]["name"]) == ("billing worker", "renamed")
    in_csv = rows(cyn_client.get(f"{EXPORT}.csv"))[0]
    assert (in_csv["id"], json.loads(in_csv["after"])["name"]) == (newest["id"], "renamed")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_name_is_no_formula_in_a_spreadsheet(key: ApiKey, as_ada: Actor, ada_client: Client, name: str) -> None:
    edit_key(key, KeySettings(name), by=as_ada)
    assert rows(ada_client.get(f"{EXPORT}.csv"))[0]["subject"] == f"'{name}"


def test_the_filters_of_the_page_hold_for_the_file(key: ApiKey, as_ada: Actor, ada_client: Client) -> None:
    edit_key(key, KeySettings("renamed"), by=as_ada)
    for query, count in (
        ("action=key.edited", 1), ("subject=renamed", 1), (f"subject={key.public_id}", 2), ("subject=nothing", 0),
        ("until=2001-01-01", 0),
    ):  # fmt: skip
        assert len(json.loads(ada_client.get(f"{EXPORT}.json?{query}").content)) == count, query
        assert (f'"{EXPORT}.csv?' in ada_client.get(f"/app/activity/?{query}").text) == bool(count), query


def test_a_stranger_exports_only_what_is_theirs(key: ApiKey, dov_client: Client) -> None:
    assert AuditEvent.objects.exists()
    assert json.loads(dov_client.get(f"{EXPORT}.json").content) == []
    assert dov_client.get(f"{EXPORT}.exe").status_code == 404


def test_a_file_that_would_be_too_large_is_not_begun_and_the_page_says_what_to_do(
    key: ApiKey, ada_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.views.activity.MAX_FILE_BYTES", 100)
    answer = ada_client.get(f"{EXPORT}.csv?subject={key.public_id}", follow=True)
    assert answer.redirect_chain == [(f"/app/activity/?subject={key.public_id}", 302)]
    assert "Choose a shorter time." in answer.text


def test_a_file_is_given_up_at_the_first_line_too_many() -> None:
    lines = iter(["one\n", "two\n", "three\n"])
    assert file_of(lines, max_bytes=7) is None
    assert next(lines) == "three\n"
