"""Reading the pages as a browser would."""

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from selectolax.lexbor import LexborHTMLParser, LexborNode

HTMX = {"HX-Request": "true"}


def the(selector: str, page: str | LexborHTMLParser) -> LexborNode:
    """The first element of the page that fits; there has to be one."""
    found = (LexborHTMLParser(page) if isinstance(page, str) else page).css_first(selector)
    assert found, f"nothing on the page is {selector}"
    return found


def queries_of(client: Client, address: str) -> int:
    """How many queries the page costs somebody who has been here before."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return len(queries)
