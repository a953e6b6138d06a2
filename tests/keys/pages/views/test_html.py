"""What every page about keys keeps to: strict policy, one heading, unique ids, labelled controls."""

from collections import Counter
from datetime import timedelta

import pytest
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import ApiKey
from keys.services.secrets import roll_credential
from portal.audit import Actor
from tests.support.page import the

pytestmark = pytest.mark.django_db
PAGES = ("", "keys/", "keys/new/", "activity/", "welcome/")
OF_A_KEY = ("", "activity/", "settings/", "edit/", "roll/", "revocation/")


@pytest.fixture
def pages(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> dict[str, str]:
    """Each page by its address, with an overlap running."""
    roll_credential(used_key, overlap=timedelta(hours=1), by=as_ada)
    addresses = [f"/app/{page}" for page in PAGES]
    addresses += [f"/app/keys/{used_key.public_id}/{page}" for page in OF_A_KEY]
    return {address: ada_client.get(address).text for address in [*addresses, "/docs/"]}


def test_no_page_has_inline_scripts_or_styles(pages: dict[str, str]) -> None:
    for address, html in pages.items():
        tree = LexborHTMLParser(html)
        assert [script.html for script in tree.css("script:not([src])")] == [], address
        assert tree.css("style, [style], [hx-on], [onclick], [onload], [onsubmit]") == [], address


def test_every_page_has_one_first_heading_a_title_of_its_own_and_unique_ids(pages: dict[str, str]) -> None:
    titles = Counter()  # type: ignore[var-annotated]
    for address, html in pages.items():
        tree = LexborHTMLParser(html)
        assert len(tree.css("h1")) == 1, address
        ids = Counter(element.attributes["id"] for element in tree.css("[id]"))
        assert [name for name, times in ids.items() if times > 1] == [], address
        titles[the("title", tree).text()] += 1
    assert [title for title, times in titles.items() if times > 1] == []


def test_every_control_has_a_label_and_every_form_that_posts_a_token(pages: dict[str, str]) -> None:
    for address, html in pages.items():
        tree = LexborHTMLParser(html)
        labelled = {label.attributes["for"] for label in tree.css("label[for]")}
        for control in tree.css("main :is(input, select, textarea):not([type=hidden], [type=radio], [type=checkbox])"):
            assert control.attributes.get("aria-label") or control.attributes.get("id") in labelled, (
                address,
                control.html,
            )
        for form in tree.css("form[method=post]"):
            assert form.css_first("input[name=csrfmiddlewaretoken]"), (address, form.html)


def test_whatever_htmx_does_a_link_or_a_form_does_too(pages: dict[str, str]) -> None:
    for address, html in pages.items():
        for element in LexborHTMLParser(html).css("[hx-get], [hx-post]"):
            is_waiting = "every" in (element.attributes.get("hx-trigger") or "")
            assert element.tag in {"a", "form"} or is_waiting, (address, element.html)
