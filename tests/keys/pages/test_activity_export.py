"""Events as files hold what the page shows, and nothing that a spreadsheet would run."""

import csv
import gc
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from keys.models import ApiKey
from keys.pages.exports import AT_ONCE, begin_export
from keys.services.keys import KeySettings, edit_key
from portal.audit import Actor
from portal.models import AuditEvent, User

pytestmark = pytest.mark.django_db
EXPORT = "/app/activity/activity"


def rows(answer: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))  # type: ignore[attr-defined]  # of a client


def test_both_formats_tell_before_and_after(key: ApiKey, as_ada: Actor, cyn_client: Client) -> None:
    edit_key(key, KeySettings("renamed", scopes=["orders:read"]), by=as_ada)
    newest = json.loads(cyn_client.get(f"{EXPORT}.json").getvalue())[0]
    assert (newest["action"], newest["actor"]) == ("key.edited", "ada@example.com")
    assert (newest["before"]["name"], newest["after"]["name"]) == ("billing worker", "renamed")
    in_csv = rows(cyn_client.get(f"{EXPORT}.csv"))[0]
    assert (in_csv["id"], json.loads(in_csv["after"])["name"]) == (newest["id"], "renamed")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"])
def test_a_name_is_no_formula_in_a_spreadsheet(key: ApiKey, as_ada: Actor, ada_client: Client, name: str) -> None:
    edit_key(key, KeySettings(name), by=as_ada)
    assert rows(ada_client.get(f"{EXPORT}.csv"))[0]["subject"] == f"'{name}"


def test_the_filters_of_the_page_hold_for_the_file(key: ApiKey, as_ada: Actor, ada_client: Client) -> None:
    edit_key(key, KeySettings("renamed"), by=as_ada)
    for query, count in (
        ("action=key.edited", 1), ("subject=renamed", 1), (f"subject={key.public_id}", 2), ("subject=nothing", 0),
        ("until=2001-01-01", 0),
    ):  # fmt: skip
        assert len(json.loads(ada_client.get(f"{EXPORT}.json?{query}").getvalue())) == count, query
        assert (f'"{EXPORT}.csv?' in ada_client.get(f"/app/activity/?{query}").text) == bool(count), query


def test_a_stranger_exports_only_what_is_theirs(key: ApiKey, dov_client: Client) -> None:
    assert AuditEvent.objects.exists()
    assert json.loads(dov_client.get(f"{EXPORT}.json").getvalue()) == []
    assert dov_client.get(f"{EXPORT}.exe").status_code == 404


def test_an_export_asks_for_its_events_page_by_page_and_never_all_at_once(
    key: ApiKey,
    as_ada: Actor,
    ada_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Callable[..., Any],
) -> None:
    monkeypatch.setattr("keys.pages.views.activity.EXPORT_PAGE", 1)
    edit_key(key, KeySettings("renamed"), by=as_ada)
    count = AuditEvent.objects.filter(organization_id=key.organization.public_id).count()
    answer = ada_client.get(f"{EXPORT}.json")
    assert isinstance(answer, StreamingHttpResponse)
    with django_assert_num_queries(count + 1):
        exported = json.loads(answer.getvalue())
    assert len({event["id"] for event in exported}) == len(exported) == count > 1


def test_one_person_has_one_export_at_a_time(key: ApiKey, ada_client: Client, cyn_client: Client) -> None:
    first = ada_client.get(f"{EXPORT}.csv")
    again = ada_client.get(f"{EXPORT}.csv")
    assert (again.status_code, again["Retry-After"]) == (503, "10")
    assert "Another export is under way" in again.text
    assert cyn_client.get(f"{EXPORT}.csv").getvalue()
    assert first.getvalue()
    assert ada_client.get(f"{EXPORT}.csv").getvalue()  # which gives the place back as well


def test_two_exports_at_a_time_are_made_in_one_process(
    key: ApiKey, ada_client: Client, ben_client: Client, cyn_client: Client
) -> None:
    held = [client.get(f"{EXPORT}.json") for client in (ada_client, ben_client)]
    assert [answer.status_code for answer in held] == [200, 200]
    assert cyn_client.get(f"{EXPORT}.json").status_code == 503
    for answer in held:
        answer.getvalue()
    assert cyn_client.get(f"{EXPORT}.json").getvalue()


def test_an_export_that_nobody_reads_gives_its_place_back_once(ada: User) -> None:
    for _ in range(2):
        export = begin_export(iter(["never asked for"]), user_id=ada.public_id)
        assert export is not None
        assert begin_export([], user_id=ada.public_id) is None
        export.close()
        export.close()


def test_an_export_that_fails_on_its_way_out_gives_its_place_back(
    key: ApiKey, ada_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada_client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("portal.middleware.add_never_cache_headers", _fail)
        patch.setattr("django.http.HttpResponseBase.has_header", lambda *_: False)
        assert [ada_client.get(f"{EXPORT}.csv").status_code for _ in range(3)] == [500] * 3
    assert ada_client.get(f"{EXPORT}.csv").getvalue()


def test_an_export_gives_its_place_back_where_the_cache_breaks(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("keys.pages.exports.cache.add", _fail)
        for _ in range(AT_ONCE):
            with pytest.raises(ConnectionError):
                begin_export([], user_id=ada.public_id)
    assert begin_export([], user_id=ada.public_id) is not None


def _fail(*_: object) -> None:
    raise ConnectionError


def test_an_export_that_is_lost_before_it_is_answered_gives_its_place_back(ada: User) -> None:
    for number in range(3):  # one more than the process makes at a time
        export = begin_export(iter(["never asked for"]), user_id=f"{ada.public_id}:{number}")
        assert export is not None
        del export
        gc.collect()


def test_the_headers_alone_hold_no_place(key: ApiKey, ada_client: Client) -> None:
    for _ in range(3):
        assert ada_client.head(f"{EXPORT}.csv").status_code == 200
