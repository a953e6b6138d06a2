"""Every form on every page, sent with what no page would send: an answer of ours each time, never a failure."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import Settings
from selectolax.lexbor import LexborHTMLParser, LexborNode

from keys.models import ApiKey
from keys.services.api_secrets import IssuedApiSecret
from oauth.models import Client as OAuthClient
from tests.support.addresses import addresses
from tests.support.staff import in_admin, make_superuser

pytestmark = pytest.mark.django_db
EVIL = {
    "nul": "a\0b",
    "lines and markup": '/\r\nX: y\u202e<img src=x onerror=alert(1)>{{7*7}}"',
    "digits": "9" * 400,
    "the last minute": "9999-12-31T23:59",
}


class Form(NamedTuple):
    """A form that posts, as a browser would send it."""

    path: str
    values: dict[str, str]


def forms_on(path: str, html: str) -> Iterator[Form]:
    for form in LexborHTMLParser(html).css("form[method=post]"):
        controls = form.css("input[name], textarea[name], select[name], button[name]")
        values = dict(map(_control, controls))
        values.pop("csrfmiddlewaretoken")
        yield Form(form.attributes.get("action") or path, values)


def _control(control: LexborNode) -> tuple[str, str]:
    value = control.attributes.get("value") or (control.text() if control.tag == "textarea" else "")
    return control.attributes["name"] or "", value


def all_forms(client: Client, key: ApiKey, oauth_client: OAuthClient) -> list[Form]:
    """Each once, but for the way out."""
    found: dict[tuple[str, ...], Form] = {}
    for address in addresses(key, oauth_client):
        answer = client.get(address.path)
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            for form in forms_on(address.path, answer.text):
                found[form.path, *sorted(form.values)] = form
    return [form for form in found.values() if "logout" not in form.path]


@pytest.fixture(params=["member", pytest.param("staff", marks=pytest.mark.prove)])
def person(request: pytest.FixtureRequest, ada_client: Client) -> Client:
    return ada_client if request.param == "member" else in_admin(make_superuser())


def send_evil(person: Client, forms: list[Form], *, share: int) -> int:
    """Send every field of every form one in ``share`` of the evil values; how many forms were sent.

    Raises AssertionError where one makes the portal fail, or comes back as markup.
    """
    person.raise_request_exception = False
    sent = 0
    for turn, (name, evil) in enumerate(EVIL.items()):
        before = transaction.savepoint()
        for form in forms:
            for number, field in enumerate(form.values):
                if (turn + number) % share:
                    continue
                answer = person.post(form.path, form.values | {field: evil})
                assert answer.status_code < 500, (name, form.path, field)
                assert "<img src=x" not in answer.text, (name, form.path, field)
                sent += 1
        transaction.savepoint_rollback(before)  # each begins with what the forms were made for
    return sent


def test_no_field_of_any_form_makes_it_fail(
    person: Client, key: ApiKey, oauth_client: OAuthClient, api_secret: IssuedApiSecret, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    assert send_evil(person, all_forms(person, key, oauth_client), share=2 * len(EVIL)) > 10


@pytest.mark.prove
@pytest.mark.usefixtures("ben")  # so that there is somebody to leave something to
def test_what_is_to_be_fixed_is_listed_in_the_order_of_the_page(
    ada_client: Client, key: ApiKey, oauth_client: OAuthClient, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    listed = 0
    for form in all_forms(ada_client, key, oauth_client):
        for value in ("", EVIL["nul"]):
            before = transaction.savepoint()
            page = LexborHTMLParser(ada_client.post(form.path, dict.fromkeys(form.values, value)).text)
            transaction.savepoint_rollback(before)
            fields = list(dict.fromkeys((link.attributes["href"] or "")[1:] for link in page.css(".summary a")))
            seen = [node.attributes["id"] for node in page.css("[id]:not([type=hidden])")]
            assert [name for name in fields if name in seen] == [name for name in seen if name in fields], form.path
            listed = max(listed, len(fields))
    assert listed > 1
