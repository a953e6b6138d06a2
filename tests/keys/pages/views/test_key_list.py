"""The page of keys: searching, narrowing, going on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import ApiKey
from keys.pages import listing
from keys.services.keys import IssuedKey
from tests.support.page import HTMX, queries_of, the

pytestmark = pytest.mark.django_db
LIST = "/app/keys/"
MAX_QUERIES = 12
MAX_BYTES = 60_000


@pytest.fixture
def many(issue: Callable[[str], ApiKey]) -> list[ApiKey]:
    """Thirty keys."""
    return [issue(f"worker-{index:02}") for index in range(30)]


def _names(html: str) -> list[str]:
    return [link.text() for link in LexborHTMLParser(html).css("td.cell-main > a")]


def test_an_organization_without_keys_is_told_how_to_begin(ada_client: Client, cyn_client: Client) -> None:
    assert "Create a key" in ada_client.get(LIST).text
    assert "Create a key" not in cyn_client.get(LIST).text


def test_two_keys_and_thirty_cost_the_same_queries(ada_client: Client, issue: Callable[[str], ApiKey]) -> None:
    for name in ("first", "second"):
        issue(name)
    few = queries_of(ada_client, LIST)
    assert few <= MAX_QUERIES
    for index in range(28):
        issue(f"more-{index}")
    assert queries_of(ada_client, LIST) == few


def test_a_page_of_fifty_keys_in_use_stays_small(
    ada_client: Client, issue: Callable[[str], ApiKey], use: Callable[[ApiKey, datetime], None], now: datetime
) -> None:
    for index in range(listing.PAGE_SIZE):
        use(issue(f"checkout-worker-{index:02}"), now - timedelta(days=index % 7))
    page = ada_client.get(LIST)
    assert len(_names(page.text)) == listing.PAGE_SIZE
    assert len(page.content.partition(b"<main")[2]) <= MAX_BYTES


def test_a_row_opens_the_menu_of_what_may_be_done_and_leads_to_the_key_without_a_script(
    issued: IssuedKey, ada_client: Client, cyn_client: Client
) -> None:
    page = ada_client.get(LIST).text
    link = the("a[data-menu-without]", page)
    assert (link.attributes["href"], link.attributes["data-menu-without"]) == (
        f"{issued.credential.public_id}/",
        "overlap resume",
    )
    assert 'data-action="pause"' in page
    assert "data-menu-without" not in cyn_client.get(LIST).text


def test_a_search_is_posted_and_leads_to_an_address_that_says_it(many: list[ApiKey], ada_client: Client) -> None:
    answer = ada_client.post(LIST, {"q": "worker-07", "status": "Expires soon", "sort": "name"})
    assert answer.status_code == 303
    assert answer["Location"] == "/app/keys/?q=worker-07&status=Expires+soon&sort=name"
    assert _names(ada_client.get(answer["Location"]).text) == ["worker-07"]


def test_with_htmx_the_table_comes_back_alone_and_the_address_is_pushed(many: list[ApiKey], ada_client: Client) -> None:
    answer = ada_client.post(LIST, {"q": "worker-07"}, headers=HTMX)
    assert answer["HX-Push-Url"] == "/app/keys/?q=worker-07"
    assert "HX-Request" in answer["Vary"]
    assert "<html" not in answer.text
    assert _names(answer.text) == ["worker-07"]
    assert "1 of 1 key" in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_pasted_key_is_looked_up_and_stands_in_no_address(
    issued: IssuedKey, ada_client: Client, headers: dict[str, str]
) -> None:
    answer = ada_client.post(LIST, {"q": f" {issued.secret_text}\n"}, headers=headers)
    where = answer.get("HX-Redirect") or answer["Location"]
    assert where == f"/app/keys/{issued.credential.public_id}/"
    assert issued.secret_text not in str(answer.headers) + answer.text
    assert "We have not kept the text" in ada_client.get(where).text


def test_a_strangers_key_is_not_found_by_pasting_it(issued: IssuedKey, dov_client: Client) -> None:
    answer = dov_client.post(LIST, {"q": issued.secret_text})
    assert answer["Location"] == LIST
    assert issued.credential.name not in dov_client.get(LIST).text


def test_a_key_that_somebody_put_into_the_address_is_answered_without_it(issued: IssuedKey, ada_client: Client) -> None:
    answer = ada_client.get(LIST, {"q": issued.secret_text})
    assert answer.status_code == 303
    assert issued.secret_text not in answer["Location"]


def test_part_of_a_key_is_cut_to_what_its_hint_shows(issued: IssuedKey, ada_client: Client) -> None:
    answer = ada_client.post(LIST, {"q": issued.secret_text[:30]})
    sought = parse_qs(urlsplit(answer["Location"]).query)["q"][0]
    assert sought == issued.secret.hint.partition("…")[0]
    assert _names(ada_client.get(answer["Location"]).text) == [issued.credential.name]


def test_what_makes_no_sense_narrows_nothing(many: list[ApiKey], ada_client: Client) -> None:
    wrong = {
        "status": "Nice",
        "environment": "moon",
        "owner": "1 OR 1=1",
        "api": "x",
        "last_used": "soon",
        "expires": "x",
        "sort": "digest",
        "after": "x",
        "scope": "\ufffe",
        "q": "x" * 1001,
    }
    page = ada_client.get(LIST, wrong).text
    assert len(_names(page)) == 30
    assert "aria-invalid" not in page
    assert the("#filters-count", page).text() == ""


def test_no_match_names_the_filters_and_the_way_back(many: list[ApiKey], ada_client: Client) -> None:
    wanted = {"q": "nothing", "status": "Expires soon", "environment": "test", "expires": "never", "sort": "name"}
    page = ada_client.get(LIST, wanted).text
    assert "No key matches" in page
    assert "Clear filters" in page
    named = [each.text() for each in LexborHTMLParser(page).css("#keys-table .badge")]
    assert named == ["Search: nothing", "Status: Expires soon", "Environment: Test", "Expires: Never"]
    assert the("#filters-count", page).text() == " (2)"


def test_a_header_sorts_and_sorts_back_and_keeps_the_filters(many: list[ApiKey], ada_client: Client) -> None:
    wanted = {"environment": "live"}
    href = the("th a#sort-name", ada_client.get(LIST, wanted).text).attributes["href"] or ""
    assert href == "/app/keys/?environment=live&sort=name"
    page = ada_client.get(href).text
    assert _names(page) == [f"worker-{index:02}" for index in range(30)]
    assert [header.attributes["aria-sort"] for header in LexborHTMLParser(page).css("th[aria-sort]")] == ["ascending"]
    back = ada_client.get(the("th a#sort-name", page).attributes["href"] or "", headers=HTMX).text
    assert _names(back) == [f"worker-{index:02}" for index in reversed(range(30))]
    assert the("th[aria-sort]", back).attributes["aria-sort"] == "descending"
    assert the("#sort-field option[selected]", back).attributes["value"] == "-name"


def test_going_on_works_with_and_without_a_script(
    many: list[ApiKey], ada_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 20)
    first = ada_client.get(LIST, {"sort": "name"}).text
    more = the("#keys-more a[href]", first).attributes["href"] or ""
    rest = ada_client.get(more).text
    rows = ada_client.get(more, headers=HTMX | {"HX-Target": "keys-more"}).text
    assert _names(first) + _names(rest) == [f"worker-{index:02}" for index in range(30)]
    assert _names(rows) == _names(rest)
    assert 'hx-swap-oob="beforeend"' in rows
    assert the("caption", first).text() == "20 of 30 keys"
    assert the("caption", rest).text() == "21 to 30 of 30 keys"
    assert the("caption[hx-swap-oob]", rows).text() == "30 of 30 keys"
    assert the("#live", rows).text() == "30 of 30 keys"
    with_one_paused = ada_client.get(more.replace("before=20", "before=21"), headers=HTMX | {"HX-Target": "keys-more"})
    for says in ("caption", "#live"):
        assert the(says, with_one_paused.text).text() == "31 shown, 30 keys match"
    assert [link.text() for link in LexborHTMLParser(rows).css("[data-focus]")] == ["worker-20"]
    assert not LexborHTMLParser(first + rest).css("tbody [data-focus]")
    assert "Back to the first" in rest
    assert the("caption", ada_client.get(more.replace("before=20", "before=x")).text).text() == "10 of 30 keys"


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "{{7*7}}", "{% now %}", "=cmd()", "' hx-get=/x '"])
def test_a_name_is_only_ever_text(issue: Callable[[str], ApiKey], ada_client: Client, name: str) -> None:
    key = issue(name)
    for where in (
        LIST,
        f"/app/keys/{key.public_id}/",
        f"/app/keys/{key.public_id}/revocation/",
        "/app/",
        "/app/activity/",
    ):
        tree = LexborHTMLParser(ada_client.get(where).text)
        assert tree.css("img, [onerror], [hx-get='/x']") == []
        assert name in (tree.body.text() if tree.body else "")
