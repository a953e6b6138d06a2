"""Read pages as a browser would."""

import re

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from selectolax.lexbor import LexborHTMLParser, LexborNode

HTMX = {"HX-Request": "true"}


def the(selector: str, page: str | LexborHTMLParser) -> LexborNode:
    """The first element that the selector matches; fails if there is none."""
    found = (LexborHTMLParser(page) if isinstance(page, str) else page).css_first(selector)
    assert found, f"nothing on the page is {selector}"
    return found


def of_nothing(text: str, *ids: str) -> str:
    """The text with ids of the same kinds that nothing has."""
    for id_ in ids:
        text = text.replace(id_, f"{id_.partition('_')[0]}_{'0' * 22}")
    return text


def without_tokens(page: str) -> str:
    """The page without the tokens of its forms, which differ each time."""
    return re.sub(r'(name="csrfmiddlewaretoken" value=")\w+', r"\1", page)


def queries_of(client: Client, address: str) -> int:
    """The number of database queries of the page on a second visit."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return len(queries)


def filled_in(form: str | LexborNode) -> dict[str, str | list[str]]:
    """The fields that a browser would send of the form, or of all forms of a page.

    Names that occur several times have a list.
    """
    sent: dict[str, list[str]] = {}
    node = form if isinstance(form, LexborNode) else the("html", form)
    for control in node.css("input[name], textarea[name], select[name]"):
        name, kind = control.attributes["name"] or "", control.attributes.get("type")
        if kind not in {"radio", "checkbox"} or "checked" in control.attributes:
            sent.setdefault(name, []).append(_value(control))
    return {name: values if len(values) > 1 else values[0] for name, values in sent.items()}


def _value(control: LexborNode) -> str:
    if control.tag == "textarea":
        return control.text().removeprefix("\n")  # as HTML says
    if control.tag == "select":
        chosen = control.css_first("option[selected]") or the("option", control.html or "")
        return chosen.attributes.get("value") or ""
    return control.attributes.get("value") or ""
