"""Read pages as a browser would."""

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


def queries_of(client: Client, address: str) -> int:
    """The number of database queries of the page on a second visit."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return len(queries)
