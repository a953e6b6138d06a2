"""What staff do to APIs, their secrets and consumers' keys."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from keys.models import Api, ApiKey, ApiSecret, Environment, RevokeReason, Usage
from keys.rules.field_rules import MAX_SCOPES
from keys.services.api_secrets import IssuedApiSecret
from keys.services.credentials import disable_credential, revoke_credential
from keys.services.keys import IssuedKey, KeySettings, issue_key
from keys.validation.types import Code
from oauth.models import Client as OAuthClient
from portal import outbox
from portal.audit import COMMAND, Actor
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Organization, ServiceAccount
from portal.outbox import Pending
from tests.support.canary import Canary
from tests.support.page import filled_in, the
from tests.support.staff import in_admin, make_staff, make_superuser

pytestmark = pytest.mark.django_db

CONFIRMED = {"confirmed": "yes"}
API_SECRET = re.compile(r"lk_api_[0-9A-Za-z]{38}")


@pytest.fixture
def eve_client(db: None) -> Client:
    return in_admin(make_superuser())


def text(response: Any) -> str:
    return str(response.content.decode())


def api_form(**changed: object) -> dict[str, object]:
    return {
        "name": "Orders",
        "identifier": "https://shop.example.com",
        "description": "All about orders",
        "default_rate_limits-limit": ["100", "10,000"],
        "default_rate_limits-per": ["60", "86400"],
        "default_rate_limits-name": ["", "daily"],
        "max_rate_limits-limit": "1000",
        "max_rate_limits-per": "60",
        "signing_algorithm": "RS256",
        "token_lifetime_s": "3600",
        **scope_rows(("orders:read", "Read orders", ""), ("", "", ""), ("orders:write", "", "sensitive")),
        **changed,
    }


def scope_rows(*rows: tuple[str, str, str]) -> dict[str, object]:
    """The fields that a browser sends of rows of scopes."""
    columns = zip(*rows, strict=True)
    return dict(zip(("scopes-name", "scopes-description", "scopes-mark"), map(list, columns), strict=True))


def edit_form(client: Client, api: Api, **changed: object) -> dict[str, object]:
    """The form of the API as the page offers it, with these fields changed."""
    page = client.get(f"/admin/keys/api/{api.pk}/edit/").text
    return {**filled_in(the(".api-form #content-main form", page)), **changed}


# --- APIs ---


def test_an_api_is_made_with_its_scopes(eve_client: Client) -> None:
    response = eve_client.post("/admin/keys/api/add/", api_form())
    api = Api.objects.get(identifier="https://shop.example.com")
    assert response["Location"] == f"/admin/keys/api/{api.pk}/change/"
    scopes = [("orders:read", "Read orders", False), ("orders:write", "", True)]
    assert list(api.scopes.values_list("name", "description", "is_sensitive")) == scopes
    assert api.default_rate_limits[1] == {"name": "daily", "limit": 10000, "window_s": 86400}
    assert api.max_rate_limits == [{"name": "default", "limit": 1000, "window_s": 60}]
    assert (api.signing_algorithm, api.token_lifetime_s) == ("RS256", 3600)
    assert AuditEvent.objects.get(action=AuditAction.API_CREATED).actor_kind == "staff"


def test_an_api_is_made_with_the_most_scopes(eve_client: Client) -> None:
    rows = [(f"s{number}", "", "") for number in range(MAX_SCOPES)]
    eve_client.post("/admin/keys/api/add/", api_form(**scope_rows(*rows)))
    assert Api.objects.get(identifier="https://shop.example.com").scopes.count() == MAX_SCOPES


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": " "}, "Enter the name."),
        ({"name": "a\u202eb"}, "Leave out control characters"),
        ({"identifier": "orders"}, "Use an absolute URI"),
        ({"identifier": "https://orders.example.com"}, "Another API has this identifier."),
        ({"default_rate_limits-limit": "many"}, "Write the number of requests in digits; this is &#x27;many&#x27;."),
        (
            {
                "max_rate_limits-limit": ["1", "2"],
                "max_rate_limits-per": ["1", "1"],
                "max_rate_limits-name": ["a", "a"],
            },
            "Two limits have the same name.",
        ),
        ({"token_lifetime_s": "59"}, "greater than or equal to 60"),
        ({"more_scopes": "a\norders\u00e4"}, "Line 2: &#x27;orders\u00e4&#x27; is no scope. Use printable ASCII"),
        ({"more_scopes": "a\na x"}, "Line 2 names a again."),
        ({"more_scopes": "a\nb " + "x" * 201}, "Line 2, the description: Use at most 200 characters"),
        ({"more_scopes": "a\nb x\u202ey [sensitive]"}, "Line 2, the description: Leave out control characters"),
        ({"more_scopes": "a\norders:read Again"}, "orders:read is in a row above already."),
        ({"more_scopes": "\n".join(f"s{n}" for n in range(501))}, "At most 500 scopes."),
        (
            scope_rows(("orders:read", "", ""), ("orders\u00e4", "", "")),
            "Scope 2: &#x27;orders\u00e4&#x27; is no scope.",
        ),
        (scope_rows(("orders:read", "", ""), ("orders:read", "x", "")), "Scope 2 names orders:read again."),
        (scope_rows(("a", "", ""), ("b", "x" * 201, "")), "Scope 2, the description: Use at most 200 characters"),
        ({"description": "x" * 301}, "at most 300 characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    changed: dict[str, object], said: str, api: Api, eve_client: Client
) -> None:
    response = eve_client.post("/admin/keys/api/add/", api_form(**changed))
    assert response.status_code == 422
    assert said in text(response)
    assert Api.objects.filter(is_builtin=False).count() == 1


def test_all_that_is_wrong_is_said_at_once(eve_client: Client) -> None:
    wrong = api_form(name="a\u202eb", identifier="orders", token_lifetime_s="59", more_scopes="a\na x")
    page = text(eve_client.post("/admin/keys/api/add/", wrong))
    for said in ("Leave out control characters", "Use an absolute URI", "equal to 60", "Line 2 names a again."):
        assert said in page


def test_nothing_typed_is_lost_where_a_line_is_wrong(eve_client: Client) -> None:
    wrong = "first ok\nsecond\u00e4\nthird ok\nfourth\u00e4"
    page = text(eve_client.post("/admin/keys/api/add/", api_form(more_scopes=wrong)))
    for fault in ("Line 2: ", "Line 4: "):
        assert fault in page
    sent = filled_in(the(".api-form #content-main form", page))
    assert sent["more_scopes"] == wrong
    assert sent["scopes-name"][:2] == ["orders:read", "orders:write"]
    assert sent["default_rate_limits-limit"][:2] == ["100", "10,000"]


def test_pasted_scopes_are_added_to_those_in_rows(api: Api, eve_client: Client) -> None:
    before = set(api.scopes.values_list("name", flat=True))
    form = edit_form(
        eve_client, api, more_scopes="parcels:read, Read parcels\nparcels:write, Change parcels [sensitive]"
    )
    eve_client.post(f"/admin/keys/api/{api.pk}/edit/", form)
    assert set(api.scopes.values_list("name", flat=True)) == before | {"parcels:read", "parcels:write"}
    assert api.scopes.get(name="parcels:write").is_sensitive


def test_an_api_has_up_to_five_hundred_scopes_and_its_form_saves_them_as_they_are(eve_client: Client) -> None:
    lines = "\n".join(f"resource-{n:03}:{verb} What it is for" for n in range(250) for verb in ("read", "write"))
    eve_client.post("/admin/keys/api/add/", api_form(**scope_rows(("", "", "")), more_scopes=lines))
    api = Api.objects.get(identifier="https://shop.example.com")
    made = list(api.scopes.values())
    assert (len(made), made[0]["description"]) == (500, "What it is for")
    assert eve_client.post(f"/admin/keys/api/{api.pk}/edit/", edit_form(eve_client, api)).status_code == 302
    assert list(api.scopes.values()) == made
    assert AuditEvent.objects.filter(action=AuditAction.API_EDITED).count() == 0
    page = eve_client.get(f"/admin/keys/api/{api.pk}/change/").text
    shown, _, folded = page.partition("<summary>480 more</summary>")
    assert (shown.count("What it is for"), folded.count("What it is for")) == (20, 480)
    assert shown.index("API secrets</h2>") < shown.index("Scopes</h2>")


def test_an_api_is_edited_and_loses_a_scope(api: Api, eve_client: Client) -> None:
    rows = scope_rows(("orders:read", "Read orders", ""), ("orders:write", "Change orders", ""))
    form = edit_form(eve_client, api, name="Orders v2", removal="refunds:write", **rows)
    saved = eve_client.post(f"/admin/keys/api/{api.pk}/edit/", form, follow=True)
    assert "Saved Orders v2. Removed refunds:write." in text(saved)
    api.refresh_from_db()
    assert api.name == "Orders v2"
    assert set(api.scopes.values_list("name", flat=True)) == {"orders:read", "orders:write"}


@pytest.mark.both_databases
def test_scopes_are_removed_only_after_a_tick_beside_what_that_does(
    api: Api, key: ApiKey, oauth_client: OAuthClient, eve_client: Client
) -> None:
    edit = f"/admin/keys/api/{api.pk}/edit/"
    before = set(api.scopes.values_list("name", flat=True))

    def keeping(*names: str, **changed: object) -> dict[str, object]:
        return edit_form(eve_client, api, name="Orders v2", **scope_rows(*((n, "Kept", "") for n in names)), **changed)

    assert 'name="removal"' not in text(eve_client.get(edit))
    asked = eve_client.post(edit, keeping("orders:read", "refunds:write"))
    assert asked.status_code == 422
    said = "orders:write is removed: 1 key and 1 client have it. Calls that need it are refused at once."
    assert said in text(asked)
    sent = filled_in(the(".api-form #content-main form", text(asked)))
    assert "removal" not in sent
    assert (sent["name"], sent["scopes-name"][:2]) == ("Orders v2", ["orders:read", "refunds:write"])
    for removal, kept in (("", "refunds:write"), ("refunds:write", "refunds:write"), ("orders:write", "x")):
        assert eve_client.post(edit, keeping("orders:read", kept, removal=removal)).status_code == 422
    assert set(api.scopes.values_list("name", flat=True)) == before
    wrong = text(
        eve_client.post(edit, keeping("orders:read", removal="orders:write refunds:write", token_lifetime_s=""))
    )
    assert "orders:write, refunds:write are removed: 1 key and 1 client have at least one of them." in wrong
    sent = filled_in(the(".api-form #content-main form", wrong))
    assert sent["removal"] == "orders:write refunds:write"
    assert eve_client.post(edit, {**sent, "token_lifetime_s": "600"}).status_code == 302
    assert set(api.scopes.values_list("name", flat=True)) == {"orders:read"}


def test_a_removed_scope_that_no_credential_has_is_said_to_be_free(api: Api, key: ApiKey, eve_client: Client) -> None:
    rows = scope_rows(("orders:read", "", ""), ("orders:write", "", ""))
    asked = text(eve_client.post(f"/admin/keys/api/{api.pk}/edit/", edit_form(eve_client, api, **rows)))
    assert "refunds:write is removed: no keys or clients have it." in asked


def test_an_edit_of_what_somebody_else_changed_is_refused(api: Api, eve_client: Client) -> None:
    stale = edit_form(eve_client, api, name="Mine")
    eve_client.post(f"/admin/keys/api/{api.pk}/edit/", edit_form(eve_client, api, name="Theirs"))
    response = eve_client.post(f"/admin/keys/api/{api.pk}/edit/", stale)
    assert response.status_code == 422
    assert "Somebody else changed this API" in text(response)
    assert Api.objects.get(pk=api.pk).name == "Theirs"


def test_the_builtin_api_cannot_be_edited(eve_client: Client) -> None:
    builtin = Api.objects.get(is_builtin=True)
    assert f"/admin/keys/api/{builtin.pk}/edit/" not in text(eve_client.get(f"/admin/keys/api/{builtin.pk}/change/"))
    response = eve_client.post(f"/admin/keys/api/{builtin.pk}/edit/", edit_form(eve_client, builtin))
    assert response.status_code == 422


def test_disabling_an_api_says_what_happens_and_does_it(api: Api, eve_client: Client) -> None:
    url = f"/admin/keys/api/{api.pk}/disabling/"
    assert "backends get 401" in text(eve_client.get(url))
    assert Api.objects.get(pk=api.pk).disabled_at is None
    eve_client.post(url, CONFIRMED)
    assert Api.objects.get(pk=api.pk).disabled_at is not None
    eve_client.post(f"/admin/keys/api/{api.pk}/enabling/", CONFIRMED)
    assert Api.objects.get(pk=api.pk).disabled_at is None


# --- API secrets ---


def issue(client: Client, api: Api, token: object = None) -> Any:
    form = {**CONFIRMED, "name": "Backend", "environment": "live", "submission": token or uuid4()}
    return client.post(f"/admin/keys/api/{api.pk}/secret/", form)


def test_a_new_secret_is_shown_once_and_kept_nowhere(api: Api, eve_client: Client, canary: Canary) -> None:
    response = issue(eve_client, api)
    shown = API_SECRET.search(text(response))
    assert response.status_code == 200
    assert shown is not None
    assert "no-store" in response["Cache-Control"]
    assert 'hx-history="false"' in text(response)
    assert shown[0] not in str(dict(eve_client.session))
    assert shown[0] not in " ".join(map(str, get_messages(response.wsgi_request)))
    secret = ApiSecret.objects.get()
    for url in (f"/admin/keys/apisecret/{secret.pk}/change/", f"/admin/keys/api/{api.pk}/change/"):
        page = text(eve_client.get(url))
        assert shown[0] not in page
        assert secret.hint in page


def test_the_same_form_sent_twice_makes_one_secret(api: Api, eve_client: Client) -> None:
    token = uuid4()
    issue(eve_client, api, token)
    again = issue(eve_client, api, token)
    assert ApiSecret.objects.count() == 1
    assert again.status_code == 302
    assert "already sent; a secret is shown only once" in text(eve_client.get(again["Location"]))


def test_a_secret_needs_a_name_and_an_environment(api: Api, eve_client: Client) -> None:
    response = eve_client.post(f"/admin/keys/api/{api.pk}/secret/", {**CONFIRMED, "submission": uuid4()})
    assert response.status_code == 422
    assert not ApiSecret.objects.exists()


def test_a_disabled_api_gets_no_secret(api: Api, eve_client: Client) -> None:
    eve_client.post(f"/admin/keys/api/{api.pk}/disabling/", CONFIRMED)
    assert "This API is disabled" in text(eve_client.get(issue(eve_client, api)["Location"]))
    assert not ApiSecret.objects.exists()


def roll(client: Client, secret: ApiSecret, overlap: str) -> Any:
    form = {**CONFIRMED, "overlap": overlap, "submission": uuid4()}
    return client.post(f"/admin/keys/apisecret/{secret.pk}/roll/", form)


def test_rolling_shows_a_successor_and_lets_the_old_one_go_on(api_secret: IssuedApiSecret, eve_client: Client) -> None:
    response = roll(eve_client, api_secret.secret, "3600")
    assert API_SECRET.search(text(response)) is not None
    assert "no-store" in response["Cache-Control"]
    old, new = ApiSecret.objects.order_by("pk")
    assert old.ends_at == new.created_at + timedelta(hours=1)
    assert new.ends_at is None


@pytest.mark.parametrize("pending", [None, Pending(datetime(2099, 1, 1, tzinfo=UTC))])
def test_a_new_secret_is_said_to_work_later_only_where_somebody_has_not_heard(
    pending: Pending | None, api_secret: IssuedApiSecret, eve_client: Client
) -> None:
    outbox.register_flush(lambda _: pending)
    try:
        page = text(roll(eve_client, api_secret.secret, "3600"))
    finally:
        outbox.register_flush(None)
    assert ("at the latest by" in page) is (pending is not None)


def test_a_roll_beside_a_newest_secret_that_nobody_used_does_to_the_older_what_its_page_says(
    api_secret: IssuedApiSecret, eve_client: Client
) -> None:
    roll(eve_client, api_secret.secret, "86400")
    old, newest = ApiSecret.objects.order_by("pk")
    page = text(eve_client.get(f"/admin/keys/apisecret/{newest.pk}/roll/"))
    assert "any overlap ends the newer one now and leaves the older one the end it has" in page
    roll(eve_client, newest, "3600")
    kept, ended, third = ApiSecret.objects.order_by("pk")
    assert (kept.ends_at, ended.ends_at, third.ends_at) == (old.ends_at, third.created_at, None)


def test_rolling_what_was_just_rolled_is_refused(api_secret: IssuedApiSecret, eve_client: Client) -> None:
    roll(eve_client, api_secret.secret, "3600")
    response = roll(eve_client, api_secret.secret, "3600")
    assert "Somebody else has just rolled" in text(eve_client.get(response["Location"]))
    assert ApiSecret.objects.count() == 2


def test_the_overlap_of_a_roll_can_be_ended(api_secret: IssuedApiSecret, eve_client: Client) -> None:
    roll(eve_client, api_secret.secret, "86400")
    eve_client.post(f"/admin/keys/apisecret/{api_secret.secret.pk}/ending/", CONFIRMED)
    assert not ApiSecret.objects.get(pk=api_secret.secret.pk).works(timezone.now())


def test_the_overlap_of_a_roll_can_be_extended(api_secret: IssuedApiSecret, eve_client: Client) -> None:
    secret = api_secret.secret
    roll(eve_client, secret, "3600")
    before = ApiSecret.objects.get(pk=secret.pk).ends_at
    assert before is not None
    eve_client.post(f"/admin/keys/apisecret/{secret.pk}/extension/", {**CONFIRMED, "hours": "72"})
    assert ApiSecret.objects.get(pk=secret.pk).ends_at == before + timedelta(hours=72)


def test_the_newest_secret_has_no_end_to_be_moved(api_secret: IssuedApiSecret, eve_client: Client) -> None:
    path = f"/admin/keys/apisecret/{api_secret.secret.pk}/extension/"
    answer = eve_client.post(path, {**CONFIRMED, "hours": "1"}, follow=True)
    assert "This is the newest secret." in text(answer)
    assert ApiSecret.objects.get().ends_at is None


@pytest.mark.parametrize("overlap", ["-1", "2592001", "soon", ""])
def test_only_the_offered_overlaps_are_taken(overlap: str, api_secret: IssuedApiSecret, eve_client: Client) -> None:
    assert roll(eve_client, api_secret.secret, overlap).status_code == 422
    assert ApiSecret.objects.count() == 1


def test_a_secret_is_disabled_enabled_and_revoked(api_secret: IssuedApiSecret, eve_client: Client) -> None:
    secret = api_secret.secret
    for action, disabled in (("disabling", True), ("enabling", False)):
        eve_client.post(f"/admin/keys/apisecret/{secret.pk}/{action}/", CONFIRMED)
        assert (ApiSecret.objects.get(pk=secret.pk).disabled_at is not None) is disabled
    eve_client.post(f"/admin/keys/apisecret/{secret.pk}/revocation/", {**CONFIRMED, "reason": "leaked"})
    assert ApiSecret.objects.get(pk=secret.pk).revoke_reason == RevokeReason.LEAKED


@pytest.mark.parametrize("permission", ["keys.view_apisecret", "keys.change_api", "keys.change_apikey"])
def test_each_action_asks_for_its_own_permission(permission: str, api_secret: IssuedApiSecret) -> None:
    client = in_admin(make_staff("keys.view_api", "keys.view_apisecret", permission))
    assert roll(client, api_secret.secret, "0").status_code == 403
    assert issue(client, api_secret.secret.api).status_code == 403


# --- API keys ---


def test_a_key_is_paused_resumed_and_revoked_with_a_reason(key: ApiKey, eve_client: Client) -> None:
    eve_client.post(f"/admin/keys/apikey/{key.pk}/pause/", CONFIRMED)
    assert ApiKey.objects.get(pk=key.pk).disabled_at is not None
    eve_client.post(f"/admin/keys/apikey/{key.pk}/resumption/", CONFIRMED)
    assert ApiKey.objects.get(pk=key.pk).disabled_at is None
    eve_client.post(f"/admin/keys/apikey/{key.pk}/revocation/", {**CONFIRMED, "reason": "leaked"})
    assert ApiKey.objects.get(pk=key.pk).revoke_reason == RevokeReason.LEAKED


def test_staff_edit_the_operators_metadata_of_a_key(key: ApiKey, eve_client: Client) -> None:
    where = f"/admin/keys/apikey/{key.pk}/metadata/"
    eve_client.post(where, CONFIRMED | {"metadata-name": "plan", "metadata-value": "gold"})
    assert filled_in(text(eve_client.get(where)))["metadata-name"][0] == "plan"
    assert "&quot;plan&quot;: &quot;gold&quot;" in text(eve_client.get(f"/admin/keys/apikey/{key.pk}/change/"))
    event = AuditEvent.objects.get(action=AuditAction.KEY_EDITED)
    assert (event.actor_kind, event.after) == ("staff", {"operator_metadata": {"plan": "gold"}})


def test_a_revocation_asks_for_its_reason(key: ApiKey, eve_client: Client) -> None:
    response = eve_client.post(f"/admin/keys/apikey/{key.pk}/revocation/", CONFIRMED)
    assert response.status_code == 422
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None


def test_a_get_and_an_unconfirmed_post_change_nothing(key: ApiKey, eve_client: Client) -> None:
    url = f"/admin/keys/apikey/{key.pk}/pause/"
    for response in (eve_client.get(url), eve_client.get(f"{url}?confirmed=yes"), eve_client.post(url)):
        assert response.status_code == 200
    assert ApiKey.objects.get(pk=key.pk).disabled_at is None


def test_an_action_without_its_csrf_token_is_refused(key: ApiKey, eve_client: Client) -> None:
    eve_client.handler.enforce_csrf_checks = True
    assert eve_client.post(f"/admin/keys/apikey/{key.pk}/pause/", CONFIRMED).status_code == 403
    assert ApiKey.objects.get(pk=key.pk).disabled_at is None


def test_many_keys_are_revoked_and_those_that_cannot_be_paused_are_named(
    acme: Organization, api: Api, key: ApiKey, as_ada: Actor, eve_client: Client
) -> None:
    other = issue_key(acme, api, KeySettings("reports"), environment=Environment.TEST, by=as_ada).credential
    revoke_credential(other, reason=RevokeReason.UNUSED, by=COMMAND)
    chosen = {**CONFIRMED, "_selected_action": [key.pk, other.pk]}
    page = text(eve_client.post("/admin/keys/apikey/", {**chosen, "action": "pause"}, follow=True))
    assert "Not done for reports: This key is revoked" in page
    assert "Paused billing worker." in page
    eve_client.post("/admin/keys/apikey/", {**chosen, "action": "revocation", "reason": "leaked"})
    reasons = dict(ApiKey.objects.values_list("name", "revoke_reason"))
    assert reasons == {"billing worker": "leaked", "reports": "unused"}  # the first reason stays


def test_keys_are_found_by_name_id_hint_and_organization(issued: IssuedKey, eve_client: Client) -> None:
    key, link = issued.credential, f"/admin/keys/apikey/{issued.credential.pk}/change/"
    for query in ("billing", key.public_id, issued.secret.hint[-4:], "Acme", key.organization.public_id):
        assert link in text(eve_client.get("/admin/keys/apikey/", {"q": query})), query
    assert link not in text(eve_client.get("/admin/keys/apikey/", {"q": "nothing"}))


def test_keys_are_filtered_by_the_words_their_owners_see(key: ApiKey, eve_client: Client) -> None:
    link = f"/admin/keys/apikey/{key.pk}/change/"
    assert link in text(eve_client.get("/admin/keys/apikey/?status=Active&environment__exact=live"))
    disable_credential(key, by=COMMAND)
    assert link not in text(eve_client.get("/admin/keys/apikey/?status=Active"))
    assert link in text(eve_client.get("/admin/keys/apikey/?status=Paused"))
    assert link in text(eve_client.get("/admin/keys/apikey/?status=nonsense"))


def test_a_long_name_in_the_list_of_keys_has_all_of_it_as_its_title(key: ApiKey, eve_client: Client) -> None:
    name = "continuous-integration-of-the-payments-platform"
    Organization.objects.filter(pk=key.organization_id).update(name=name)
    page = text(eve_client.get("/admin/keys/apikey/"))
    assert f'<td class="field-organization"><span class="short" title="{name}">{name}</span></td>' in page


def test_the_page_of_a_key_names_the_service_account_that_owns_it(key: ApiKey, eve_client: Client) -> None:
    page = f"/admin/keys/apikey/{key.pk}/change/"
    assert "Service account" not in text(eve_client.get(page))
    account = ServiceAccount.objects.create(organization=key.organization, name="nightly export")
    ApiKey.objects.filter(pk=key.pk).update(owner=None, service_account=account)
    assert "<label>Owner</label>" not in text(eve_client.get(page))
    assert "nightly export" in text(eve_client.get(page))


def test_stopping_a_key_asks_first_with_its_calls_of_a_day(key: ApiKey, eve_client: Client) -> None:
    Usage.objects.create(secret_id="sec_x", key=key, hour=timezone.now(), code=Code.VALID, count=1204)
    page = text(eve_client.get(f"/admin/keys/apikey/{key.pk}/revocation/"))
    assert 'data-label="Calls, 24\N{NO-BREAK SPACE}h">1,204</td>' in page


def test_the_list_of_keys_asks_the_database_as_often_for_thirty_as_for_two(
    acme: Organization, api: Api, as_ada: Actor, eve_client: Client, django_assert_max_num_queries: object
) -> None:
    def queries(count: int) -> int:
        while ApiKey.objects.count() < count:
            issue_key(acme, api, KeySettings("worker"), environment=Environment.LIVE, by=as_ada)
        with django_assert_max_num_queries(40) as captured:  # type: ignore[operator]
            eve_client.get("/admin/keys/apikey/")
        return len(captured)

    assert queries(2) == queries(30)


def test_a_key_has_neither_an_add_page_nor_a_form(key: ApiKey, eve_client: Client) -> None:
    assert eve_client.get("/admin/keys/apikey/add/").status_code == 403
    assert eve_client.post(f"/admin/keys/apikey/{key.pk}/change/", {"name": "mine", "digest": "x"}).status_code == 403
    assert ApiKey.objects.get(pk=key.pk).name == "billing worker"
