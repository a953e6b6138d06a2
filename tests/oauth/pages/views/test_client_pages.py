"""The pages about OAuth clients: made, shown once, rolled, edited, paused, revoked; token by token, or all at once."""

import json
import re
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.conf import settings
from django.http import QueryDict
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from selectolax.lexbor import LexborHTMLParser

from keys.models import Api
from keys.rules.field_rules import MAX_SCOPES, parse_rate_limit
from keys.rules.secret import parse
from keys.services.apis import ApiSettings, ScopeSettings, create_api, edit_api
from keys.services.credentials import note_credential
from keys.services.secrets import roll_credential
from oauth.models import Client, RevokedToken, StatusList
from oauth.protocol.jti import StatusIndex, new_jti
from oauth.services import tokens
from oauth.services.clients import IssuedClient
from oauth.services.status import lease_block
from oauth.services.tokens import revoke_token
from portal.audit import COMMAND, Actor
from portal.models import AuditEvent, Organization, ServiceAccount
from portal.services.organizations import note_organization
from tests.support.page import HTMX, queries_of, the

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


@pytest.fixture
def form(api: Api) -> dict[str, str]:
    """A filled-in form for a new client."""
    return {
        "submission": str(uuid4()),
        "name": "checkout sync",
        "environment": "live",
        "api": api.public_id,
        f"{api.public_id}:access:orders": "write",
    }


@pytest.fixture
def jti(oauth_client: Client, api: Api) -> str:
    """The id of a token that the client was given."""
    block = lease_block(oauth_client.public_id, api.public_id, generation=1, count=16, now=timezone.now())
    return new_jti(StatusIndex(block.list_number, block.indexes[0]))


def where(name: str, client: Client, *more: str) -> str:
    return reverse(f"clients:{name}", args=[client.public_id, *more])


def test_a_new_client_is_shown_its_secret_once_and_never_again(
    form: dict[str, str], api: Api, ada_client: Browser
) -> None:
    answer = ada_client.post("/app/clients/new/", form)
    secret = the("#secret-text", answer.text).text().strip()
    made = Client.objects.get()
    assert parse(secret)
    assert answer["Cache-Control"] == "no-store"
    assert made.public_id in the("#client-id", answer.text).text()
    assert made.grants.get().scopes == ["orders:read", "orders:write"]
    for page in ("detail", "settings", "credential_activity"):
        assert secret not in ada_client.get(where(page, made)).text
    assert secret not in json.dumps(dict(ada_client.session.items()))
    assert f"audience={api.identifier}" in the("main", answer.text).text()


def test_a_client_may_be_let_in_at_every_scope_of_apis_with_the_most_scopes(
    form: dict[str, str], ada_client: Browser
) -> None:
    names = [f"r{number}:read" for number in range(MAX_SCOPES)]
    wanted = ApiSettings("Many", dict.fromkeys(names, ScopeSettings()))
    apis = [create_api(f"https://many-{number}.example.com", wanted, by=COMMAND).api for number in range(2)]
    sent = {"api": [each.public_id for each in apis]}
    sent |= {f"{each.public_id}:access:{name.removesuffix(':read')}": ["read"] for each in apis for name in names}
    answer = ada_client.post("/app/clients/new/", urlencode({**form, **sent}, doseq=True), content_type=FORM)
    assert answer.status_code == 200
    assert [len(grant.scopes) for grant in Client.objects.get().grants.all()] == [MAX_SCOPES] * 2


def test_the_page_names_the_addresses_to_configure_and_draws_no_audience_as_a_scope(
    oauth_client: Client, api: Api, cyn_client: Browser
) -> None:
    page = LexborHTMLParser(cyn_client.get(where("detail", oauth_client)).text)
    for name, path in (
        ("token", "/oauth/token"),
        ("discovery", "/.well-known/oauth-authorization-server"),
        ("jwks", "/.well-known/jwks.json"),
    ):
        assert the(f"#{name}-url", page).text() == f"{settings.PUBLIC_URL}{path}"
        assert path in settings.HOT_PATHS
    assert api.identifier in [code.text() for code in page.css("main .facts code:not(.scope)")]
    assert api.identifier not in [code.text() for code in page.css("main .scope, main .scopes > *")]


@pytest.mark.parametrize(
    ("revoked", "words"),
    [
        (0, "No token has been revoked on its own."),
        (1, "1 token was revoked and would still be valid."),
        (2, "2 tokens were revoked and would still be valid."),
    ],
)
def test_the_page_says_how_many_tokens_were_revoked_one_by_one(
    oauth_client: Client, ada_client: Browser, revoked: int, words: str
) -> None:
    now = timezone.now()
    soon = now + timedelta(minutes=5)
    statuses = StatusList.objects.create()
    RevokedToken.objects.bulk_create(
        RevokedToken(
            client=oauth_client,
            jti=f"jti-{number}",
            status_list=statuses,
            index=number,
            revoked_at=now,
            expires_at=soon,
        )
        for number in range(revoked)
    )
    assert words in the("#tokens", ada_client.get(where("detail", oauth_client)).text).text()


def test_members_read_the_operators_metadata(oauth_client: Client, cyn_client: Browser) -> None:
    note_credential(oauth_client, {"plan": "basic"}, by=COMMAND)
    note_organization(oauth_client.organization, external_id="crm-42", operator_metadata={"tier": 1}, by=COMMAND)
    assert "&quot;plan&quot;: &quot;basic&quot;" in cyn_client.get(where("settings", oauth_client)).text
    page = cyn_client.get("/app/settings/").text
    assert "crm-42" in page
    assert "&quot;tier&quot;: 1" in page


def test_each_apis_ceiling_stands_in_the_forms_and_on_the_clients_pages(
    oauth_client: Client, api: Api, ada_client: Browser, cyn_client: Browser
) -> None:
    scopes = {name: ScopeSettings() for name in ("orders:read", "orders:write")}
    limits = [parse_rate_limit("1000/60")]
    edit_api(api, ApiSettings("Orders", scopes, max_rate_limits=limits), by=COMMAND)
    for form in ("/app/clients/new/", where("edit", oauth_client)):
        assert "At most 1,000 requests a minute" in ada_client.get(form).text
    for page in ("detail", "settings"):
        assert "At most 1,000 requests a minute" in cyn_client.get(where(page, oauth_client)).text


def test_a_client_may_belong_to_a_service_account_of_its_own_organization_alone(
    ben_client: Browser, acme: Organization, initech: Organization, form: dict[str, str]
) -> None:
    assert 'name="owner"' not in ben_client.get("/app/clients/new/").text
    ours, theirs = (ServiceAccount.objects.create(organization=each, name="deploys") for each in (acme, initech))
    assert ben_client.post("/app/clients/new/", form | {"owner": theirs.public_id}).status_code == 422
    assert ben_client.post("/app/clients/new/", form | {"owner": ours.public_id}).status_code == 200
    made = Client.objects.get()
    assert (made.owner, made.service_account, made.owner_name) == (None, ours, "deploys")


def test_the_same_form_sent_twice_makes_one_client_and_no_second_secret(
    form: dict[str, str], ada_client: Browser
) -> None:
    ada_client.post("/app/clients/new/", form)
    again = ada_client.post("/app/clients/new/", form)
    assert "Already created" in again.text
    assert "secret-text" not in again.text
    assert Client.objects.count() == 1


def test_a_client_with_keys_of_its_own_has_no_secret(form: dict[str, str], ada_client: Browser) -> None:
    answer = ada_client.post("/app/clients/new/", form | {"public_keys": json.dumps({"keys": [PUBLIC_KEY]})})
    made = Client.objects.get()
    assert answer.status_code == 303
    assert not made.secrets.exists()
    page = ada_client.get(where("detail", made)).text
    assert "client_assertion" in page
    assert where("roll", made) not in page
    assert ada_client.get(where("roll", made)).status_code == 200
    edited = ada_client.get(where("edit", made))
    assert PUBLIC_KEY["x"] in edited.text


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"api": "api_of_nobody"}, "Choose among these APIs"),
        ({"name": ""}, "Enter the name"),
        ({"public_keys": "{"}, "not JSON"),
        ({"networks": "10.0.0.1/8"}, "Line 1|10.0.0.1/8"),
        ({"token_lifetime_s": "5"}, "60"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(
    form: dict[str, str], ada_client: Browser, wrong: dict[str, str], complaint: str
) -> None:
    answer = ada_client.post("/app/clients/new/", form | wrong)
    assert answer.status_code == 422
    assert re.search(complaint, the(".summary", answer.text).text())
    assert not Client.objects.exists()


def test_a_client_that_may_do_nothing_at_an_api_is_not_made_by_oversight(
    form: dict[str, str], api: Api, ada_client: Browser
) -> None:
    answer = ada_client.post("/app/clients/new/", form | {f"{api.public_id}:access:orders": ""})
    assert answer.status_code == 422
    link = the(".summary a", answer.text)
    assert "Choose at least one scope of Orders." in link.text()
    target = (link.attributes["href"] or "")[1:]
    assert "Choose at least one scope of Orders." in the(f"[id='{target}']", answer.text).text()
    assert not Client.objects.exists()


def test_a_client_is_not_emptied_of_its_scopes_by_oversight(
    oauth_client: Client, api: Api, ada_client: Browser
) -> None:
    sent = {"name": "mine", "version": "1", "api": api.public_id, f"{api.public_id}:access:orders": "", "step": "save"}
    answer = ada_client.post(where("edit", oauth_client), sent)
    assert answer.status_code == 422
    assert "Choose at least one scope of Orders." in answer.text
    assert oauth_client.grants.get().scopes == ["orders:read", "orders:write"]


def test_that_no_api_is_chosen_is_said_where_they_are_chosen(form: dict[str, str], ada_client: Browser) -> None:
    answer = ada_client.post("/app/clients/new/", {name: form[name] for name in form if name != "api"})
    link = the(".summary a", answer.text)
    assert link.text() == "APIs: Choose at least one API."
    assert "Choose at least one API." in the(link.attributes["href"] or "", answer.text).text()


def test_of_very_many_scopes_those_are_drawn_whose_api_is_chosen(
    form: dict[str, str], api: Api, oauth_client: Client, ada_client: Browser
) -> None:
    names = [f"resource-{n:03}:{verb}" for n in range(250) for verb in ("read", "write")]
    create_api("https://more.example.com", ApiSettings("More", dict.fromkeys(names, ScopeSettings())), by=COMMAND)
    many = create_api(
        "https://many.example.com", ApiSettings("Many", dict.fromkeys(names, ScopeSettings())), by=COMMAND
    )
    drawn = f'name="{many.api.public_id}:access:resource-249"'
    assert drawn not in ada_client.get("/app/clients/new/").text
    chosen = QueryDict(mutable=True)
    chosen.update(form | {"submission": str(uuid4())})
    chosen.appendlist("api", many.api.public_id)
    for page, more in (("/app/clients/new/", {}), (where("edit", oauth_client), {"version": "1", "step": "review"})):
        answer = ada_client.post(page, chosen.urlencode() + "&" + urlencode(more), content_type=FORM)
        assert (answer.status_code, drawn in answer.text) == (422, True)
        assert "Choose at least one scope of Many." in answer.text
    for name in names:
        chosen[f"{many.api.public_id}:access:{name.partition(':')[0]}"] = "write"
    assert ada_client.post("/app/clients/new/", chosen.urlencode(), content_type=FORM).status_code == 200
    assert Client.objects.latest("pk").grants.get(api=many.api).scopes == names


def test_a_client_may_have_every_scope_of_several_large_apis(form: dict[str, str], ada_client: Browser) -> None:
    names = [f"resource-{n:03}:write" for n in range(500)]
    settings = ApiSettings("Many", dict.fromkeys(names, ScopeSettings()))
    apis = [create_api(f"https://many-{n}.example.com", settings, by=COMMAND).api.public_id for n in range(3)]
    chosen = QueryDict(mutable=True)
    chosen.update(form | {f"{api}:access:resource-{n:03}": "write" for api in apis for n in range(500)})
    chosen.setlist("api", apis)
    answer = ada_client.post("/app/clients/new/", chosen.urlencode(), content_type=FORM)
    assert answer.status_code == 200
    assert [len(grant.scopes) for grant in Client.objects.get().grants.all()] == [500, 500, 500]


def test_rolling_shows_the_new_secret_and_the_page_the_overlap(oauth_client: Client, ada_client: Browser) -> None:
    seen = oauth_client.secrets.get().public_id
    sent = {"submission": str(uuid4()), "seen": seen, "overlap": "3600"}
    answer = ada_client.post(where("roll", oauth_client), sent, headers=HTMX)
    assert parse(the("#secret-text", answer.text).text().strip())
    assert "End now" in the("#overlap", ada_client.get(where("detail", oauth_client)).text).text()
    ada_client.post(where("extend_secret", oauth_client, seen), {"hours": "24"})
    ada_client.post(where("end_secret", oauth_client, seen))
    assert not oauth_client.secrets.get(public_id=seen).works(timezone.now())
    told = AuditEvent.objects.filter(subject_id=oauth_client.public_id).order_by("pk").values_list("action", flat=True)
    assert list(told)[-3:] == ["client.rolled", "client.overlap_changed", "client.secret_ended"]


def test_a_change_is_reviewed_before_it_is_made(oauth_client: Client, api: Api, ada_client: Browser) -> None:
    other = create_api("https://billing.example.com", ApiSettings("Billing", {}), by=COMMAND).api
    sent = {"name": "renamed", "version": str(oauth_client.version), "api": [api.public_id, other.public_id]}
    sent[f"{api.public_id}:access:orders"] = "read"
    review = ada_client.post(where("edit", oauth_client), sent | {"step": "review"})
    shown = the("dl.diff", review.text).text()
    assert "renamed" in shown
    assert "Scopes at Orders" in shown
    assert "not let in" in shown
    assert "Widens access" in review.text
    ada_client.post(where("edit", oauth_client), sent | {"step": "save"})
    oauth_client.refresh_from_db()
    assert oauth_client.name == "renamed"
    assert {grant.api: grant.scopes for grant in oauth_client.grants.all()} == {api: ["orders:read"], other: []}


def test_a_change_made_meanwhile_is_shown_and_not_overwritten(
    oauth_client: Client, api: Api, ada_client: Browser
) -> None:
    sent = {"name": "mine", "version": "7", "api": api.public_id, "step": "save"}
    sent[f"{api.public_id}:access:orders"] = "read"
    answer = ada_client.post(where("edit", oauth_client), sent)
    assert answer.status_code == 409
    assert "Somebody else changed this client in the meantime" in answer.text
    assert Client.objects.get().name == oauth_client.name


def test_a_paused_client_is_resumed_and_both_are_told(oauth_client: Client, ada_client: Browser) -> None:
    assert "is paused" in ada_client.post(where("pause", oauth_client), follow=True).text
    assert Client.objects.get().disabled_at
    assert "works again" in ada_client.post(where("resume", oauth_client), follow=True).text
    assert Client.objects.get().disabled_at is None


def test_a_revoked_client_offers_nothing_any_more(oauth_client: Client, ada_client: Browser) -> None:
    page = ada_client.post(where("revocation", oauth_client), {"reason": "leaked"}, follow=True).text
    assert "Leaked" in page
    for control in ("/roll/", "/edit/", "/revocation/", "/pause/"):
        assert f"{oauth_client.public_id}{control}" not in page


def test_one_token_is_revoked_by_its_id_or_by_all_of_it_and_what_was_pasted_is_not_kept(
    oauth_client: Client, jti: str, ada_client: Browser
) -> None:
    token = "e30.eyJqdGkiOiJ" + "4In0.c2ln"  # an id that no token has
    for nonsense in ("nothing", token, "a.b.c", "", "."):
        answer = ada_client.post(where("token_revocation", oauth_client), {"token": nonsense})
        assert answer.status_code == 422
        assert not nonsense.strip(".") or nonsense not in the("#tokens", answer.text).text()
    told = ada_client.post(where("token_revocation", oauth_client), {"token": f" {jti}\n"}, follow=True)
    assert f"The token {jti} is revoked" in told.text
    assert RevokedToken.objects.get().jti == jti


def test_who_revokes_one_token_too_many_is_told_that_all_are_revoked(
    oauth_client: Client, jti: str, ada_client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_REVOKED_TOKENS", 0)
    told = ada_client.post(where("token_revocation", oauth_client), {"token": jti}, follow=True)
    assert "All tokens are revoked" in told.text


def test_a_token_of_another_client_cannot_be_revoked(
    oauth_client: Client, jti: str, form: dict[str, str], ada_client: Browser
) -> None:
    ada_client.post("/app/clients/new/", form)
    other = Client.objects.exclude(pk=oauth_client.pk).get()
    answer = ada_client.post(where("token_revocation", other), {"token": jti})
    assert "No token of this client has that id" in answer.text
    assert not RevokedToken.objects.exists()


def test_all_tokens_are_revoked_after_a_question(oauth_client: Client, ada_client: Browser) -> None:
    assert "will be refused at once" in ada_client.get(where("tokens_revocation", oauth_client)).text
    assert Client.objects.get().generation == 1
    ada_client.post(where("tokens_revocation", oauth_client))
    assert Client.objects.get().generation == 2


def test_the_list_asks_as_much_for_many_as_for_few(
    oauth_client: Client, form: dict[str, str], ada_client: Browser
) -> None:
    few = queries_of(ada_client, "/app/clients/")
    for _ in range(5):
        ada_client.post("/app/clients/new/", form | {"submission": str(uuid4())})
    assert queries_of(ada_client, "/app/clients/") == few
    assert the("caption", ada_client.get("/app/clients/").text).text() == "6 of 6 clients"


def test_the_list_is_searched_and_narrowed_like_that_of_keys(
    oauth_client: Client, form: dict[str, str], ada_client: Browser
) -> None:
    ada_client.post("/app/clients/new/", form)
    found = ada_client.post("/app/clients/", {"q": oauth_client.name, "sort": "name"}, follow=True).text
    assert the("caption", found).text() == "1 of 1 client"
    assert "Last used" in found
    answer = ada_client.post("/app/clients/", {"status": "Paused"}, headers=HTMX)
    assert answer["HX-Push-Url"] == "/app/clients/?status=Paused"
    assert "No client matches" in answer.text
    assert "<html" not in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_pasted_secret_leads_to_its_client_and_stands_in_no_address(
    issued_client: IssuedClient, ada_client: Browser, dov_client: Browser, headers: dict[str, str]
) -> None:
    answer = ada_client.post("/app/clients/", {"q": f" {issued_client.secret_text}\n"}, headers=headers)
    assert (answer.get("HX-Redirect") or answer["Location"]) == where("detail", issued_client.credential)
    assert issued_client.secret_text not in str(answer.headers) + answer.text
    elsewhere = dov_client.post("/app/clients/", {"q": issued_client.secret_text}, follow=True).text
    assert "No client of this organization has the secret" in elsewhere


def test_a_viewer_sees_the_client_and_no_control_that_changes_it(oauth_client: Client, cyn_client: Browser) -> None:
    for page in ("detail", "settings", "credential_activity"):
        shown = cyn_client.get(where(page, oauth_client)).text
        assert oauth_client.name in shown
        for control in ("/new/", "/roll/", "/edit/", "/revocation/", "/pause/", "/extension/"):
            assert f"/app/clients/{oauth_client.public_id}{control}" not in shown


def test_activity_leads_to_the_client_and_shows_no_secret(
    issued_client: IssuedClient, jti: str, as_ada: Actor, ada_client: Browser
) -> None:
    rolled = roll_credential(issued_client.credential, overlap=timedelta(hours=1), by=as_ada)
    revoke_token(issued_client.credential, jti, by=as_ada)
    page = ada_client.get("/app/activity/").text
    for words in ("created the OAuth client", "rolled the OAuth client", "revoked a token of"):
        assert words in page
    assert where("detail", issued_client.credential) in page
    assert rolled.secret_text not in page
