"""The operator's first page, the search, and what every page of admin shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from keys.models import Api, ApiKey, Usage
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from oauth.services.clients import IssuedClient
from portal.audit import COMMAND, SYSTEM, record
from portal.audit_actions import AuditAction
from portal.models import Organization, User
from portal.operations.sweep_runs import note_sweep
from portal.services.organizations import suspend_organization
from portal.ui.times import exact_words
from tests.support.staff import in_admin, make_staff, make_superuser

INDEX, SEARCH = "/admin/", "/admin/search/"


@pytest.fixture
def eve_client(db: None) -> Client:
    cache.clear()  # it remembers the figures of the first page
    return in_admin(make_superuser())


def used(key: ApiKey | None, secret_id: str, count: int, code: str = "VALID") -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    Usage.objects.create(secret_id=secret_id, key=key, hour=hour, code=code, count=count)


# --- The first page ---


@pytest.mark.django_db
def test_the_first_page_counts_organizations_keys_and_validations(
    issued: IssuedKey, issued_client: IssuedClient, initech: Organization, eve_client: Client
) -> None:
    suspend_organization(initech, by=COMMAND)
    used(issued.credential, issued.secret.public_id, 1500)
    used(issued.credential, issued.secret.public_id, 450, "RATE_LIMITED")
    used(None, issued_client.credential.public_id, 50)  # of its tokens
    used(None, issued_client.secret.public_id, 7)  # issued them
    note_sweep("expiries", ended_at=timezone.now() - timedelta(minutes=2))
    page = eve_client.get(INDEX).text
    organizations = Organization.objects.count()
    for label, value, hint in (
        ("Organizations", organizations, "1 suspended"),
        ("Active keys", 1, ""),
        ("Validations, 24 h", "2,000", "22.50% denied"),
        ("Sweeps", "On time", "The last one ended 2 min ago"),
    ):
        more = f"<dd>{hint}</dd>" if hint else ""
        assert f'<div class="figure"><dt>{label}</dt><dd>{value}</dd>{more}</div>' in page
    assert "2,000 requests, peak 2,000" in page


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "said"), [(None, "None yet"), (timedelta(minutes=11), "Late")])
def test_the_first_page_tells_that_sweeps_do_not_run(age: timedelta | None, said: str, eve_client: Client) -> None:
    if age:
        note_sweep("expiries", ended_at=timezone.now() - age)
    assert f"<dt>Sweeps</dt><dd>{said}</dd>" in eve_client.get(INDEX).text


def test_the_first_page_counts_at_most_once_a_minute(
    key: ApiKey, eve_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(20) as first:
        eve_client.get(INDEX)
    with django_assert_max_num_queries(20) as second:
        eve_client.get(INDEX)
    assert any('"keys_usage"' in query["sql"] for query in first.captured_queries)
    assert not any('"keys_usage"' in query["sql"] for query in second.captured_queries)


@pytest.mark.parametrize("kept", ["1", {"figures": [{"name": "Keys"}]}])
def test_the_first_page_counts_again_if_another_version_of_latchkey_keeps_its_figures(
    kept: object, key: ApiKey, eve_client: Client
) -> None:
    cache.set("staff.summary.keys.apikey", kept)
    assert "<dt>Active keys</dt><dd>1</dd>" in eve_client.get(INDEX).text


def test_the_first_page_says_the_latest_events_in_words(key: ApiKey, eve_client: Client) -> None:
    page = eve_client.get(INDEX).text
    assert "<b>Ada</b> created the key" in page
    assert "key.issued" not in page


def test_the_first_page_says_that_a_key_expired_without_naming_who_did_it(key: ApiKey, eve_client: Client) -> None:
    record(AuditAction.KEY_EXPIRED, actor=SYSTEM, at=timezone.now(), subject_id=key.public_id, subject_label="nightly")
    page = eve_client.get(INDEX).text
    assert ">nightly</a> expired" in page
    assert "<b>System</b>" not in page


def test_the_first_page_names_the_sections_in_our_words(eve_client: Client) -> None:
    page = eve_client.get(INDEX).text
    for words in ("Organizations", "People", "API keys", "OAuth clients", "Audit trail", "Staff groups"):
        assert f">{words}</a>" in page
    assert "Authentication and Authorization" not in page


@pytest.mark.django_db
def test_staff_see_only_figures_and_sections_of_what_they_may_view(key: ApiKey) -> None:
    cache.clear()
    page = in_admin(make_staff("portal.view_organization")).get(INDEX).text
    assert "<dt>Organizations</dt>" in page
    assert "Active keys" not in page
    assert "created the key" not in page
    assert "/admin/keys/apikey/" not in page


# --- The search ---


@pytest.mark.parametrize(
    ("query", "leads_to"),
    [
        (lambda key, _: key.name, "apikey"),
        (lambda key, _: key.public_id, "apikey"),
        (lambda key, _: key.secrets.get().hint[-4:], "apikey"),
        (lambda key, _: key.organization.public_id, "organization"),
        (lambda _, client: client.public_id, "client"),
        (lambda key, _: key.api.name, "api"),
        (lambda *_: "ada@example", "user"),
    ],
)
def test_the_search_finds_each_kind_by_name_id_address_or_hint(
    query: Callable[..., str], leads_to: str, key: ApiKey, issued_client: IssuedClient, eve_client: Client
) -> None:
    text = query(key, issued_client.credential)
    found = {
        "apikey": f"/admin/keys/apikey/{key.pk}/change/",
        "organization": f"/admin/portal/organization/{key.organization_id}/change/",
        "client": f"/admin/oauth/client/{issued_client.credential.pk}/change/",
        "api": f"/admin/keys/api/{key.api_id}/change/",
        "user": f"/admin/portal/user/{User.objects.get(email='ada@example.com').pk}/change/",
    }
    page = eve_client.post(SEARCH, {"q": text}, follow=True)
    assert page.request["QUERY_STRING"]  # a text that is no secret has an address
    assert found[leads_to] in page.text


def test_a_search_shows_ten_of_each_kind_and_a_link_to_the_rest(key: ApiKey, eve_client: Client) -> None:
    for number in range(10):
        Organization.objects.create(name=f"Parcel {number}")
    assert "q=Parcel" not in eve_client.get(SEARCH, {"q": "Parcel"}).text
    Organization.objects.create(name="Parcel 10")
    page = eve_client.get(SEARCH, {"q": "Parcel"}).text
    assert page.count(">Parcel ") == 10
    assert "/admin/portal/organization/?q=Parcel" in page


def test_a_search_without_a_match_says_what_to_search_for(eve_client: Client) -> None:
    assert "Nothing matches “nonsense”" in eve_client.get(SEARCH, {"q": "nonsense"}).text


@pytest.mark.parametrize("where", [SEARCH, "/admin/keys/apikey/", "/admin/portal/organization/"])
def test_a_pasted_secret_leads_to_its_owner_and_is_not_kept(
    where: str, issued: IssuedKey, issued_client: IssuedClient, api_secret: IssuedApiSecret, eve_client: Client
) -> None:
    for secret_text, page in (
        (issued.secret_text, f"/admin/keys/apikey/{issued.credential.pk}/change/"),
        (issued_client.secret_text, f"/admin/oauth/client/{issued_client.credential.pk}/change/"),
        (api_secret.secret_text, f"/admin/keys/apisecret/{api_secret.secret.pk}/change/"),
    ):
        answer = eve_client.post(where, {"q": f" {secret_text} "})
        assert answer["Location"] == page
        said = eve_client.get(page).text
        assert "We have not kept the text." in said
        assert secret_text not in said + str(dict(eve_client.session))


@pytest.mark.parametrize("where", [SEARCH, "/admin/keys/apikey/"])
@pytest.mark.parametrize("cut", [lambda text: text[:-1], lambda text: f"key {text}", lambda text: text[8:]])
def test_a_secret_that_nobody_has_is_not_kept_either(
    where: str, cut: Callable[[str], str], issued: IssuedKey, eve_client: Client
) -> None:
    answer = eve_client.post(where, {"q": cut(issued.secret_text)})
    assert answer["Location"] == where
    (message,) = get_messages(answer.wsgi_request)
    assert "We know no such secret." in str(message)


def test_a_part_of_a_secret_reaches_no_address(eve_client: Client) -> None:
    assert eve_client.post(SEARCH, {"q": "sVx2Lm9TzRb4Yw8Nc6Jh1Gf5DaEx9Kf"})["Location"] == SEARCH


@pytest.mark.parametrize("where", [SEARCH, "/admin/keys/apikey/", "/admin/portal/organization/"])
def test_a_secret_in_an_address_is_discarded(where: str, issued: IssuedKey, eve_client: Client) -> None:
    answer = eve_client.get(where, {"q": issued.secret_text})
    assert answer["Location"] == where
    assert "An address must not hold a secret." in eve_client.get(where).text


def test_a_secret_far_behind_in_an_address_is_discarded_too(issued: IssuedKey, eve_client: Client) -> None:
    assert eve_client.get(SEARCH, {"q": "a " * 1000 + issued.secret_text})["Location"] == SEARCH


@pytest.mark.parametrize("where", [SEARCH, "/admin/keys/apikey/"])
def test_of_a_search_in_an_address_no_more_is_looked_up_than_of_a_posted_one(where: str, eve_client: Client) -> None:
    long = "w-" * 50 + "x-" * 500
    words = " ".join(f"w{number}" for number in range(300))
    for text, searched, left in ((long, "w-" * 50, "x-"), (words, "w9", "w10")):
        with CaptureQueriesContext(connection) as queries:
            assert eve_client.get(where, {"q": text}).status_code == 200
        asked = " ".join(query["sql"] for query in queries if " LIKE " in query["sql"].upper())
        assert f"%{searched}%" in asked
        assert left not in asked


def test_a_search_in_a_list_keeps_the_filters(key: ApiKey, eve_client: Client) -> None:
    answer = eve_client.post("/admin/keys/apikey/?environment__exact=live&p=2&q=old", {"q": "billing"})
    assert answer["Location"] == "/admin/keys/apikey/?environment__exact=live&q=billing"


def test_staff_find_only_what_they_may_view(issued: IssuedKey) -> None:
    client = in_admin(make_staff("keys.view_api"))
    assert "billing worker" not in client.get(SEARCH, {"q": "billing"}).text
    assert client.post(SEARCH, {"q": issued.secret_text})["Location"] == SEARCH


# --- Every page ---


def test_the_name_of_the_installation_stands_on_every_page(eve_client: Client, settings: Settings) -> None:
    settings.ENVIRONMENT_NAME = ""
    assert "ribbon" not in eve_client.get(INDEX).text
    settings.ENVIRONMENT_NAME = "staging"
    for url in (INDEX, "/admin/keys/api/", "/admin/keys/api/add/"):
        assert "Environment: </span>staging</p>" in eve_client.get(url).text


def test_stock_pages_write_times_as_the_portal_does() -> None:
    at = datetime(2026, 11, 3, 2, 5, tzinfo=UTC)
    assert date_format(at, "DATETIME_FORMAT") == exact_words(at)


def test_an_empty_list_says_what_to_do(eve_client: Client) -> None:
    assert "No API keys yet. Members of organizations create them." in eve_client.get("/admin/keys/apikey/").text
    assert "Nothing matches." in eve_client.get("/admin/keys/apikey/?q=nonsense").text
    api = Api.objects.get(is_builtin=True)
    assert "No secrets yet." in eve_client.get(f"/admin/keys/api/{api.pk}/change/").text


def test_a_long_filter_is_folded_and_unfolds_for_a_choice_that_is_made(eve_client: Client) -> None:
    page = eve_client.get("/admin/portal/auditevent/").text
    assert f"<summary>{len(AuditAction) + 1 - 12} more</summary>" in page
    assert page.count("<details open>") == 0
    assert eve_client.get("/admin/portal/auditevent/?action__exact=key.revoked").text.count("<details open>") == 1


def test_a_list_offers_to_show_all_only_where_something_is_left_out(key: ApiKey, eve_client: Client) -> None:
    assert "Show all" not in eve_client.get("/admin/keys/apikey/").text
    assert "Show all" in eve_client.get("/admin/keys/apikey/?environment__exact=live").text


def test_a_search_shows_its_results_in_the_order_of_the_sections(key: ApiKey, eve_client: Client) -> None:
    page = eve_client.get(f"{SEARCH}?q=a").text
    found = [page.index(f">{title}</h2>") for title in ("Organizations", "People", "API keys", "APIs")]
    assert found == sorted(found)


@pytest.mark.parametrize("sent", [{"action": "suspension"}, {"_selected_action": "1"}, {}])
def test_an_action_without_rows_and_rows_without_an_action_change_nothing_and_say_so(
    sent: dict[str, str], eve_client: Client
) -> None:
    page = eve_client.post("/admin/portal/organization/", {"index": "0", **sent}, follow=True).text
    assert "Nothing was changed. Choose an action, and select at least one row." in page


def test_a_stock_form_asks_for_what_is_missing_in_our_words(eve_client: Client) -> None:
    page = eve_client.post("/admin/auth/group/add/", {"name": ""}).text
    assert "Nothing was saved. Correct the errors below." in page
    assert "Enter the name." in page
    assert "This field is required." not in page
