"""What pages take for a name, find by one, and have typed before something ends."""

import unicodedata
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from keys.models import ApiKey, ApiSecret
from keys.services.keys import IssuedKey
from oauth.models import Client as OAuthClient
from portal.audit import Actor
from portal.models import Organization, ServiceAccount, User
from portal.refusals import Invalid
from portal.services.organizations import create_organization, rename_organization
from portal.services.service_accounts import create_service_account
from tests.support.page import the
from tests.support.staff import in_admin, make_superuser

pytestmark = pytest.mark.django_db
STORED = "Caf\u00e9  \u200ebilling\u2028worker"  # as rows from before may hold it
SHOWN = "Caf\u00e9 billing worker"


@pytest.mark.parametrize("typed", [SHOWN, unicodedata.normalize("NFD", SHOWN), f"\u200b{SHOWN}\u00a0"])
def test_a_key_or_client_in_use_is_revoked_by_the_name_that_the_page_shows(
    typed: str, key: ApiKey, oauth_client: OAuthClient, ada_client: Client
) -> None:
    for row, pages in ((key, "keys"), (oauth_client, "clients")):
        type(row)._default_manager.update(name=STORED, last_used_at=timezone.now())
        answer = ada_client.post(f"/app/{pages}/{row.public_id}/revocation/", {"reason": "unused", "name": typed})
        assert answer.status_code == 303
        row.refresh_from_db()
        assert row.revoked_at is not None


def test_an_organization_is_closed_by_the_name_that_the_page_shows(acme: Organization, ada_client: Client) -> None:
    Organization.objects.update(name=STORED)
    assert ada_client.post("/app/settings/closing/", {"name": "Cafe billing worker"}).status_code == 422
    assert ada_client.post("/app/settings/closing/", {"name": SHOWN}).status_code == 303


def test_every_new_name_is_stored_in_one_form_or_refused(ada: User, acme: Organization, as_ada: Actor) -> None:
    assert create_organization(STORED, owner=ada, by=as_ada).name == SHOWN
    assert rename_organization(acme, STORED, by=as_ada).organization.name == SHOWN
    assert create_service_account(acme, STORED, by=as_ada).name == SHOWN
    with pytest.raises(Invalid, match="Another service account"):
        create_service_account(acme, SHOWN, by=as_ada)
    for refuse in (
        lambda: create_organization("\u3164", owner=ada, by=as_ada),
        lambda: rename_organization(acme, "\u3164", by=as_ada),
        lambda: create_service_account(acme, "\u3164", by=as_ada),
    ):
        with pytest.raises(Invalid, match="can be seen"):
            refuse()


@pytest.mark.parametrize("name", ["\u200b", "\u2060", "\u3164", "\u2800", "\ufeff", "\u00ad", "\u200f", "\u061c"])
def test_a_form_says_at_the_field_that_a_name_cannot_be_seen(name: str, acme: Organization, ada_client: Client) -> None:
    for page in ("/app/organizations/new/", "/app/team/service-accounts/new/"):
        answer = ada_client.post(page, {"name": name})
        assert (answer.status_code, "can be seen" in answer.text) == (422, True), page
    assert not ServiceAccount.objects.exists()


@pytest.mark.parametrize("text", ["Z\u00fcrich", unicodedata.normalize("NFD", "Z\u00fcrich  b\u00fcro")])
def test_a_search_finds_a_name_however_its_letters_are_composed(
    text: str, issued: IssuedKey, oauth_client: OAuthClient, ada: User, ada_client: Client
) -> None:
    for model in (ApiKey, OAuthClient, User):
        model.objects.update(name="Z\u00fcrich b\u00fcro")
    for listed, noun in (("keys", "key"), ("clients", "client"), ("team", "member")):
        assert the("caption", ada_client.get(f"/app/{listed}/", {"q": text}).text).text() == f"1 of 1 {noun}"
    page = in_admin(make_superuser()).get("/admin/keys/apikey/", {"q": text})
    assert issued.secret.hint in page.text


def test_what_happened_is_found_by_a_name_however_it_is_composed(
    acme: Organization, as_ada: Actor, ada_client: Client
) -> None:
    rename_organization(acme, "Z\u00fcrich", by=as_ada)
    rename_organization(acme, "Bern", by=as_ada)
    page = ada_client.get("/app/activity/", {"subject": unicodedata.normalize("NFD", "Z\u00fcrich")})
    assert [event.event.subject_label for day in page.context["days"] for event in day.events] == ["Z\u00fcrich"]


def test_a_pasted_key_with_a_mark_inside_that_nobody_sees_stands_in_no_address(
    issued: IssuedKey, ada_client: Client
) -> None:
    text = issued.secret_text
    for spoiled in (f"{text[:20]}\u200b{text[20:]}", f"{text[:6]}\u2060{text[6:]}\ufeff"):
        answer = ada_client.post("/app/keys/", {"q": spoiled})
        assert answer["Location"] == f"/app/keys/{issued.credential.public_id}/"


def test_an_api_secret_made_in_admin_has_a_name_in_one_form(
    api_secret: object, new_secret: Callable[[str], int]
) -> None:
    assert new_secret("\u2800") == 422
    assert new_secret("orders \u200b backend") == 200
    assert ApiSecret.objects.latest("pk").name == "orders backend"


@pytest.fixture
def new_secret(api: object) -> Callable[[str], int]:
    browser = in_admin(make_superuser())

    def issue(name: str) -> int:
        path = f"/admin/keys/api/{api.pk}/secret/"  # type: ignore[attr-defined]  # the row
        token = "6f1c1a2e-9c1b-4f55-8c1d-0c1f0d7e8a9b"
        form = {"confirmed": "yes", "name": name, "environment": "live", "submission": token}
        return browser.post(path, form).status_code

    return issue
