"""Making a key, and the only sight of its secret."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import Api, ApiKey, KeySecret
from keys.rules import secret as secrets
from keys.services.apis import ApiSettings, ScopeSettings, create_api
from portal.audit import COMMAND
from portal.models import Organization, User
from portal.ui.times import exact_words
from tests.support.page import the

pytestmark = pytest.mark.django_db
NEW = "/app/keys/new/"
Form = dict[str, str]


def shown(html: str) -> str:
    element = LexborHTMLParser(html).css_first("#secret-text")
    return element.text(strip=True) if element else ""


def test_a_name_is_suggested(api: Api, ada_client: Client, new_key_form: Form) -> None:
    assert the("[name=name]", ada_client.get(NEW).text).attributes["value"] == "orders-1"
    ada_client.post(NEW, new_key_form)
    assert the("[name=name]", ada_client.get(NEW).text).attributes["value"] == "orders-2"


def test_a_key_is_made_as_it_was_asked_for(api: Api, ada_client: Client, new_key_form: Form, now: datetime) -> None:
    more = {
        "access:refunds": "write",
        "networks": "203.0.113.0/24 # office\n2001:db8::/32",
        "rate_limits-limit": ["100", "1,000", ""],
        "rate_limits-per": ["60", "86400", "60"],
        "rate_limits-name": ["", "daily", ""],
        "quota-limit": "10000",
        "quota-refill": "month",
        "metadata-name": ["plan", ""],
        "metadata-value": ["gold", ""],
        "metadata-json": '{"seats": 3}',
        "not_before": "2026-01-01T00:00",
        "note": "Vault, path billing",
    }
    assert ada_client.post(NEW, new_key_form | more).status_code == 200
    key = ApiKey.objects.get()
    assert (key.name, key.environment, key.note) == ("checkout-prod", "live", "Vault, path billing")
    assert key.scopes == ["orders:read", "refunds:write"]
    assert key.networks == ["203.0.113.0/24", "2001:db8::/32"]
    assert [(limit["name"], limit["limit"], limit["window_s"]) for limit in key.rate_limits] == [
        ("default", 100, 60),
        ("daily", 1000, 86400),
    ]
    assert key.quota == {"limit": 10_000, "refill": "month"}
    assert (key.metadata, key.not_before) == ({"plan": "gold", "seats": 3}, datetime(2026, 1, 1, tzinfo=UTC))
    assert key.expires_at
    assert abs(key.expires_at - now - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("template", "scopes"),
    [
        ("read", ["orders:read"]),
        ("full", ["orders:read", "orders:write", "refunds:write"]),
        ("custom", ["orders:read"]),
    ],
)
def test_a_template_gives_its_scopes(
    api: Api, ada_client: Client, new_key_form: Form, template: str, scopes: list[str]
) -> None:
    ada_client.post(NEW, new_key_form | {"template": template})
    assert ApiKey.objects.get().scopes == scopes


@pytest.mark.parametrize(
    ("lifetime", "expires_at"), [("never", None), ("date", datetime(2030, 5, 6, 7, 8, tzinfo=UTC))]
)
def test_an_expiry_is_never_or_a_moment_of_utc(
    api: Api, ada_client: Client, new_key_form: Form, lifetime: str, expires_at: datetime | None
) -> None:
    ada_client.post(NEW, new_key_form | {"lifetime": lifetime, "expires_on": "2030-05-06T07:08"})
    assert ApiKey.objects.get().expires_at == expires_at


def test_the_secret_is_shown_in_that_answer_which_nobody_keeps(
    api: Api, ada_client: Client, new_key_form: Form
) -> None:
    answer = ada_client.post(NEW, new_key_form)
    text = shown(answer.text)
    assert secrets.parse(text)
    assert KeySecret.objects.get().hint == text[:12] + "…" + text[-4:]
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert 'hx-history="false"' in answer.text
    assert f'href="data:text/plain;charset=utf-8,LATCHKEY_API_KEY%3D{text}%0A" download' in answer.text


def test_the_page_of_the_secret_says_what_was_made_and_has_one_way_on_at_its_end(
    api: Api, ada_client: Client, new_key_form: Form
) -> None:
    page = LexborHTMLParser(ada_client.post(NEW, new_key_form).text)
    made = the("[aria-labelledby=made-title]", page)
    key = ApiKey.objects.get()
    assert key.expires_at
    for words in (key.name, "Live", "Orders", *key.scopes, exact_words(key.expires_at)):
        assert words in made.text()
    primary = [button.text(strip=True) for button in page.css("main .btn--primary:not([hidden])")]
    assert primary == ["Copy API key"]
    way_on = the("[data-secret-done]", page)
    assert (way_on.text(), way_on.attributes["data-unsaved"]) == ("I have saved it", "Leave without it")
    assert page.css("main a, main button")[-1].text() == way_on.text()


def test_what_the_form_does_not_ask_for_is_not_taken(
    api: Api, dov: User, ada: User, ada_client: Client, new_key_form: Form
) -> None:
    initech = dov.organizations.get()
    smuggled = {"organization": initech.public_id, "owner": dov.pk, "digest": "0" * 64, "version": 9, "api": "1"}
    ada_client.post(NEW, new_key_form | {name: str(value) for name, value in smuggled.items()})
    key = ApiKey.objects.get()
    assert (key.organization.name, key.owner, key.version, key.api) == ("Acme", ada, 1, api)


def test_no_other_page_shows_it(api: Api, ada_client: Client, new_key_form: Form) -> None:
    text = shown(ada_client.post(NEW, new_key_form).text)
    key = ApiKey.objects.get()
    for where in ("", "activity/", "settings/", "edit/", "roll/", "revocation/"):
        assert text not in ada_client.get(f"/app/keys/{key.public_id}/{where}").text
    for where in ("/app/", "/app/keys/", "/app/activity/", "/app/welcome/"):
        assert text not in ada_client.get(where).text
    assert text not in str(dict(ada_client.session))


def test_a_key_may_have_all_five_hundred_scopes_of_an_api_chosen_one_by_one(
    ada_client: Client, new_key_form: Form
) -> None:
    scopes = [f"resource-{n:03}:{verb}" for n in range(250) for verb in ("read", "write")]
    many = create_api(
        "https://many.example.com", ApiSettings("Many", dict.fromkeys(scopes, ScopeSettings())), by=COMMAND
    )
    chosen = {f"access:resource-{n:03}": "write" for n in range(250)}
    page = ada_client.post(f"{NEW}?api={many.api.public_id}", new_key_form | chosen)
    assert page.status_code == 200
    assert ApiKey.objects.get().scopes == scopes


def test_sending_the_form_again_makes_nothing_and_shows_nothing(
    api: Api, ada_client: Client, new_key_form: Form
) -> None:
    text = shown(ada_client.post(NEW, new_key_form).text)
    again = ada_client.post(NEW, new_key_form)
    assert "Already created" in again.text
    assert "/roll/" in again.text
    assert "/revocation/" in again.text
    assert text not in again.text
    assert ApiKey.objects.count() == KeySecret.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": ""}, "Name: Enter the name."),
        ({"environment": ""}, "Environment: Choose one of these."),
        ({"name": "x" * 101}, "100"),
        ({"name": "a\u202eb"}, "direction marks"),
        ({"name": "a\x00b"}, "Null characters"),
        ({"environment": "moon"}, "not one of"),
        ({"template": "root"}, "not one of"),
        ({"access:orders": ""}, "Scopes: Choose at least one scope"),
        ({"lifetime": "forever"}, "not one of"),
        ({"lifetime": "date", "expires_on": "tomorrow"}, "valid date"),
        ({"lifetime": "date", "expires_on": ""}, "Choose the date"),
        ({"lifetime": "date", "expires_on": "2001-01-01T00:00"}, "future"),
        ({"lifetime": "date", "expires_on": "99999-01-01T00:00"}, "valid date"),
        ({"networks": "203.0.113.0/24\nabc\n\nxyz"}, "Line 2 has 'abc'. Line 4 has 'xyz'."),
        ({"rate_limits-limit": "many", "rate_limits-per": "60"}, "number of requests in digits; this is 'many'"),
        ({"quota-limit": "10", "quota-refill": "hour"}, "for good, for each day or for each month"),
        ({"rate_limits-limit": ["1", "2"], "rate_limits-per": ["1", "2"], "rate_limits-name": ["a", "a"]}, "same name"),
        ({"not_before": "2999-01-01T00:00"}, "after it ends"),
        ({"metadata-name": "", "metadata-value": "gold"}, "Give 'gold' a name"),
        ({"metadata-json": "{"}, "not JSON"),
        ({"metadata-json": "[]"}, "JSON object"),
        ({"metadata-json": '{"a": 1, "a": 2}'}, "twice"),
        ({"metadata-json": '{"a": NaN}'}, "JSON cannot carry"),
        ({"metadata-json": "[" * 5000}, "not JSON"),
        ({"metadata-json": '{"a": "\\ud800"}'}, "JSON cannot carry"),
        ({"metadata-json": '{"a": "\\u0000"}'}, "NUL"),
        ({"note": "x" * 201}, "200"),
        ({"submission": "x"}, "valid UUID"),
        ({"scope": "orders:everything"}, "no scope"),
    ],
)
def test_what_is_out_of_bounds_is_said_at_its_field_and_makes_nothing(
    api: Api, ada_client: Client, new_key_form: Form, wrong: dict[str, str | list[str]], says: str
) -> None:
    answer = ada_client.post(NEW, new_key_form | wrong)
    assert answer.status_code == 422
    summary = LexborHTMLParser(answer.text).css_first(".summary[role=alert]")
    assert summary
    assert says in summary.text()
    assert not ApiKey.objects.exists()


def test_that_no_scope_is_chosen_is_said_at_the_picker(api: Api, ada_client: Client, new_key_form: Form) -> None:
    answer = ada_client.post(NEW, new_key_form | {"access:orders": ""})
    target = the(".summary a", answer.text).attributes["href"] or ""
    assert "Choose at least one scope" in the(f".when-custom {target} .field__error", answer.text).text()


def test_what_was_typed_is_still_there_after_an_error(api: Api, ada_client: Client, new_key_form: Form) -> None:
    answer = ada_client.post(NEW, new_key_form | {"name": "", "access:orders": "write", "networks": "198.51.100.0/24"})
    tree = LexborHTMLParser(answer.text)
    assert the("input[name='access:orders'][value=write]", tree).attributes.keys() >= {"checked"}
    assert the("details.fold", tree).attributes.keys() >= {"open"}
    assert "198.51.100.0/24" in the("textarea[name=networks]", tree).text()
    assert the("input[name=name]", tree).attributes["aria-invalid"] == "true"


def test_a_suspended_organization_makes_no_keys(
    api: Api, acme: Organization, ada_client: Client, new_key_form: Form, now: datetime
) -> None:
    Organization.objects.filter(pk=acme.pk).update(suspended_at=now)
    answer = ada_client.post(NEW, new_key_form)
    assert answer.status_code == 422
    assert "is suspended and cannot create keys" in answer.text
    assert not ApiKey.objects.exists()


def test_a_suspended_organization_is_offered_no_form_and_told_whom_to_ask(
    api: Api, acme: Organization, ada_client: Client, now: datetime
) -> None:
    Organization.objects.filter(pk=acme.pk).update(suspended_at=now)
    for address in (NEW, "/app/clients/new/"):
        page = ada_client.get(address)
        assert page.status_code == 200
        assert not LexborHTMLParser(page.text).css("form[novalidate]")
        assert "Only the operator of this portal can end the suspension" in page.text
    for address in ("/app/", "/app/keys/", "/app/clients/", "/app/welcome/"):
        assert "/new/" not in str(the("main", ada_client.get(address).text).html)


def test_the_built_in_api_is_not_offered_and_without_another_there_is_nothing_to_make(ada_client: Client) -> None:
    page = ada_client.get(NEW).text
    assert "There is no API yet" in page
    assert "urn:latchkey" not in page


def test_with_several_apis_one_is_chosen_first_and_a_wrong_one_asks_again(
    api: Api, ada_client: Client, new_key_form: Form
) -> None:
    billing = create_api(
        "https://billing.example.com", ApiSettings("Billing", {"deploy": ScopeSettings()}), by=COMMAND
    ).api
    for where in (NEW, f"{NEW}?api=api_unknown"):
        assert "Which API is the key for?" in ada_client.get(where).text
    assert "Which API" in ada_client.post(NEW, new_key_form).text
    ada_client.post(f"{NEW}?api={billing.public_id}", new_key_form | {"scope": "deploy"})
    assert (ApiKey.objects.get().api, ApiKey.objects.get().scopes) == (billing, ["deploy"])
