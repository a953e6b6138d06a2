"""Editing: the form, what would change, the change."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from selectolax.lexbor import LexborHTMLParser

from keys.models import ApiKey, QuotaUse, RevokeReason
from keys.rules.field_rules import parse_rate_limit
from keys.services.apis import ApiSettings, ScopeSettings, edit_api
from keys.services.credentials import note_credential, revoke_credential
from keys.services.keys import KeySettings, edit_key
from portal.audit import COMMAND, Actor
from portal.models import AuditEvent, User
from tests.support import page as pages
from tests.support.page import the

pytestmark = pytest.mark.django_db


def where(key: ApiKey) -> str:
    return f"/app/keys/{key.public_id}/edit/"


def filled_in(html: str) -> dict[str, str | list[str]]:
    """The form as a browser would send it."""
    return pages.filled_in(LexborHTMLParser(html).css("main form[method=post]")[-1])


def review(client: Client, key: ApiKey, **changes: str | list[str]) -> str:
    sent = filled_in(client.get(where(key)).text) | changes | {"step": "review"}
    return client.post(where(key), sent).text


def test_the_apis_ceiling_stands_in_the_forms_and_on_the_keys_page(
    key: ApiKey, ada_client: Client, cyn_client: Client
) -> None:
    scopes = {name: ScopeSettings() for name in key.scopes}
    limits = [parse_rate_limit("1000/60"), parse_rate_limit("daily=10000/86400")]
    edit_api(key.api, ApiSettings("Orders", scopes, max_rate_limits=limits), by=COMMAND)
    words = "at most 1,000 requests a minute and 10,000 requests a day"
    for page in (where(key), "/app/keys/new/"):
        assert f"Orders allows each key {words}" in ada_client.get(page).text
    assert words in cyn_client.get(f"/app/keys/{key.public_id}/settings/").text.lower()


def test_members_read_the_operators_metadata_and_no_form_sets_it(
    key: ApiKey, ada_client: Client, cyn_client: Client
) -> None:
    note_credential(key, {"plan": "basic"}, by=COMMAND)
    saved = filled_in(review(ada_client, key, operator_metadata='{"plan": "gold"}', name="renamed"))
    ada_client.post(where(key), saved | {"step": "save", "operator_metadata": '{"plan": "gold"}'})
    key.refresh_from_db()
    assert (key.name, key.operator_metadata) == ("renamed", {"plan": "basic"})
    assert "&quot;plan&quot;: &quot;basic&quot;" in cyn_client.get(f"/app/keys/{key.public_id}/settings/").text


def test_the_form_as_it_stands_changes_nothing(key: ApiKey, ada_client: Client) -> None:
    page = review(ada_client, key)
    assert "Nothing would change" in page
    assert "Save changes" not in page


def test_changes_are_reviewed_before_they_are_made(key: ApiKey, ada_client: Client) -> None:
    page = review(ada_client, key, name="renamed", networks="203.0.113.0/24")
    differences = the("dl.diff", page).text()
    assert "billing worker" in differences
    assert "renamed" in differences
    assert "any address" in differences
    assert ApiKey.objects.get().name == "billing worker"
    answer = ada_client.post(where(key), filled_in(page) | {"step": "save"}, follow=True)
    assert re.search("renamed is changed. In force (everywhere|now)", answer.text)
    changed = ApiKey.objects.get()
    assert (changed.name, changed.networks, changed.version) == ("renamed", ["203.0.113.0/24"], 2)
    assert changed.scopes == key.scopes


@pytest.mark.parametrize(
    ("changes", "widens"),
    [
        ({"access:refunds": "write"}, True),
        ({"access:orders": "read"}, False),
        ({"name": "renamed"}, False),
        ({"rate_limits-limit": "10", "rate_limits-per": "60", "rate_limits-name": ""}, False),
    ],
)
def test_what_widens_access_is_marked(key: ApiKey, ada_client: Client, changes: dict[str, str], widens: bool) -> None:
    assert ("Widens access" in review(ada_client, key, **changes)) is widens


def test_an_expiry_is_kept_unless_another_is_chosen(key: ApiKey, ada_client: Client) -> None:
    ends = key.created_at + timedelta(days=40, seconds=7, microseconds=5)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=ends)
    page = review(ada_client, key, name="renamed")
    ada_client.post(where(key), filled_in(page) | {"step": "save"})
    assert ApiKey.objects.get().expires_at == ends
    page = review(ada_client, key, lifetime="never")
    assert "Widens access" in page
    ada_client.post(where(key), filled_in(page) | {"step": "save"})
    assert ApiKey.objects.get().expires_at is None


@pytest.mark.parametrize(
    ("zone", "typed"),
    [
        ("America/New_York", {"lifetime": "date", "expires_on": "9999-12-31T23:59"}),
        ("Pacific/Auckland", {"not_before": "0001-01-01T00:00"}),
        ("Europe/Berlin", {"not_before": "2027-03-28T02:30"}),
        ("Europe/Berlin", {"not_before": "2027-02-30T12:00"}),
    ],
)
def test_a_time_that_the_zone_cannot_have_is_refused_at_its_field(
    key: ApiKey, ada: User, ada_client: Client, zone: str, typed: dict[str, str]
) -> None:
    User.objects.filter(pk=ada.pk).update(time_zone=zone)
    page = LexborHTMLParser(review(ada_client, key, **typed))
    (name,) = typed.keys() - {"lifetime"}
    (error,) = page.css(".field__error")
    assert error.attributes["id"] == f"id_{name}-error"
    assert re.search("between the years|skip this time|valid date", error.text())


def test_a_beginning_that_is_left_as_it_is_changes_nothing_not_even_its_seconds(
    key: ApiKey, ada: User, ada_client: Client
) -> None:
    shown_twice = datetime(2026, 10, 25, 1, 30, 7, 5, tzinfo=UTC)
    User.objects.filter(pk=ada.pk).update(time_zone="Europe/Berlin")
    for begins in (shown_twice, shown_twice - timedelta(hours=1), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)):
        ApiKey.objects.filter(pk=key.pk).update(not_before=begins)
        assert "Nothing would change" in review(ada_client, key)


def test_a_time_is_read_in_the_zone_in_which_the_form_was_drawn(key: ApiKey, ada: User, ada_client: Client) -> None:
    drawn = filled_in(ada_client.get(where(key)).text) | {"lifetime": "date", "expires_on": "2030-06-01T12:00"}
    User.objects.filter(pk=ada.pk).update(time_zone="America/Los_Angeles")
    page = ada_client.post(where(key), drawn | {"step": "review"}).text
    form = ada_client.post(where(key), filled_in(page) | {"step": "form"}).text
    assert (filled_in(form)["zone"], "Expires on (UTC)" in form) == ("UTC", True)
    ada_client.post(where(key), filled_in(page) | {"step": "save"})
    assert ApiKey.objects.get().expires_at == datetime(2030, 6, 1, 12, tzinfo=UTC)
    for zone in ("Mars/Olympus", ""):
        ada_client.post(
            where(key), drawn | {"step": "save", "zone": zone, "version": str(ApiKey.objects.get().version)}
        )
        assert ApiKey.objects.get().expires_at == datetime(2030, 6, 1, 19, tzinfo=UTC)


def test_a_change_made_meanwhile_is_shown_beside_ones_own(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    mine = filled_in(review(ada_client, key, name="mine"))
    edit_key(key, KeySettings("theirs", scopes=key.scopes), by=as_ada)
    answer = ada_client.post(where(key), mine | {"step": "save"})
    assert answer.status_code == 409
    assert "Somebody else changed this key in the meantime" in answer.text
    assert "theirs" in the("dl.diff", answer.text).text()
    assert ApiKey.objects.get().name == "theirs"
    ada_client.post(where(key), filled_in(answer.text) | {"step": "save"})
    assert ApiKey.objects.get().name == "mine"


def test_a_change_that_came_too_late_and_makes_no_sense_is_told_as_such(
    key: ApiKey, ada_client: Client, as_ada: Actor
) -> None:
    mine = filled_in(review(ada_client, key, name="mine"))
    edit_key(key, KeySettings("theirs", scopes=key.scopes), by=as_ada)
    answer = ada_client.post(where(key), mine | {"scope": "no:such", "step": "save"})
    assert answer.status_code == 422
    assert "This API has no scope" in answer.text


def test_a_key_is_not_emptied_of_its_scopes_by_oversight(key: ApiKey, ada_client: Client) -> None:
    for step in ("review", "save"):
        sent = filled_in(ada_client.get(where(key)).text) | {"access:orders": "", "step": step}
        answer = ada_client.post(where(key), sent)
        assert answer.status_code == 422
        assert "Choose at least one scope" in the("#id_scopes .field__error", answer.text).text()
    assert ApiKey.objects.get().scopes == key.scopes != []


def test_a_key_that_has_no_scope_of_its_api_any_more_can_be_renamed(key: ApiKey, ada_client: Client) -> None:
    edit_api(key.api, ApiSettings("Orders", {"refunds:write": ScopeSettings()}), by=COMMAND)
    saved = filled_in(review(ada_client, key, name="renamed"))
    assert ada_client.post(where(key), saved | {"step": "save"}).status_code == 303
    assert (ApiKey.objects.get().name, ApiKey.objects.get().scopes) == ("renamed", [])


def test_one_can_go_back_to_the_form_with_what_was_typed(key: ApiKey, ada_client: Client) -> None:
    page = review(ada_client, key, name="typed")
    form = ada_client.post(where(key), filled_in(page) | {"step": "form"})
    assert form.status_code == 200
    assert filled_in(form.text)["name"] == "typed"


def test_errors_are_told_and_nothing_is_changed(key: ApiKey, ada_client: Client) -> None:
    sent = filled_in(ada_client.get(where(key)).text) | {"name": "", "step": "save"}
    answer = ada_client.post(where(key), sent)
    assert answer.status_code == 422
    assert "summary" in answer.text
    assert not AuditEvent.objects.filter(action="key.edited").exists()


def test_a_revoked_key_is_not_edited(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    sent = filled_in(ada_client.get(where(key)).text) | {"name": "renamed", "step": "save"}
    revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    answer = ada_client.post(where(key), sent)
    assert answer.status_code == 422
    assert "This key is revoked" in answer.text


@pytest.mark.parametrize("field", ["owner", "digest", "organization", "environment", "public_id", "revoked_at"])
def test_what_the_form_does_not_ask_for_is_not_taken(key: ApiKey, ada_client: Client, field: str) -> None:
    before = ApiKey.objects.values().get()
    ada_client.post(where(key), filled_in(ada_client.get(where(key)).text) | {field: "1", "step": "save"})
    assert ApiKey.objects.values().get() == before


def test_nobody_edits_what_is_over(key: ApiKey, ada_client: Client) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=key.created_at)
    assert where(key) not in ada_client.get(f"/app/keys/{key.public_id}/").text


@pytest.mark.parametrize(("changes", "asks"), [({"networks": ""}, True), ({"name": "renamed"}, False)])
def test_what_widens_access_takes_who_one_is_shown_lately_and_goes_on_from_there(
    key: ApiKey, ada: User, as_ada: Actor, changes: dict[str, str], asks: bool
) -> None:
    ada.set_password("correct horse battery staple")
    ada.save()
    client = Client()
    client.force_login(ada)
    key = edit_key(key, KeySettings(key.name, scopes=key.scopes, networks=["203.0.113.0/24"]), by=as_ada).credential
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        saved = filled_in(review(client, key, **changes)) | {"step": "save"}
        answer = client.post(where(key), saved)
        assert answer["Location"].startswith("/accounts/reauthenticate/") is asks
        if asks:
            key.refresh_from_db()
            assert key.networks == ["203.0.113.0/24"]
            answer = client.post(answer["Location"], {"password": "correct horse battery staple"})
    assert answer["Location"] == f"/app/keys/{key.public_id}/settings/"
    key.refresh_from_db()
    assert (key.networks == []) is asks


def test_the_pages_of_a_key_tell_what_is_left_of_its_quota(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    edit_key(used_key, KeySettings("k", quota={"limit": 1000, "refill": "month"}), by=as_ada)
    QuotaUse.objects.create(key=used_key, period=timezone.now().date().replace(day=1), used=3)
    page = ada_client.get(f"/app/keys/{used_key.public_id}/").text
    assert "Uses left" in page
    assert "997" in page
    settings = ada_client.get(f"/app/keys/{used_key.public_id}/settings/").text
    assert "1,000 uses a month, 997 left. Full again on" in settings
