"""The forms of keys and clients under an organization's policies."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import Api, ApiKey
from keys.pages.forms.fields import DATE
from oauth.models import Client as OAuthClient
from portal.audit import Actor
from portal.models import Organization, User
from portal.permissions import Role
from portal.policies import Policies
from portal.services.policies import change_policies
from portal.ui.times import day_words
from tests.support.page import filled_in, the

pytestmark = pytest.mark.django_db
NEW, NEW_CLIENT = "/app/keys/new/", "/app/clients/new/"
Set = Callable[[Policies], None]


@pytest.fixture
def under(acme: Organization, as_ada: Actor) -> Set:
    """Set policies of Acme."""

    def set_to(policies: Policies) -> None:
        change_policies(acme, policies, by=as_ada)

    return set_to


def lifetimes(html: str) -> tuple[str, list[str], list[str]]:
    """The lifetime that is chosen, those that can be, and those that cannot."""
    inputs = LexborHTMLParser(html).css("[name=lifetime]")
    names = {each.attributes["value"] or "": "disabled" in each.attributes for each in inputs}
    chosen = the("[name=lifetime][checked]", html).attributes["value"] or ""
    return chosen, [name for name in names if not names[name]], [name for name in names if names[name]]


@pytest.mark.parametrize(
    ("policies", "offered"),
    [
        (Policies(), ("90", ["7", "30", "90", "365", DATE, "never"], [])),
        (Policies(key_expiry_required=True), ("90", ["7", "30", "90", "365", DATE], ["never"])),
        (Policies(max_key_lifetime_days=30), ("30", ["7", "30", DATE], ["90", "365", "never"])),
        (Policies(max_key_lifetime_days=45), ("45", ["7", "30", "45", DATE], ["90", "365", "never"])),
        (Policies(max_key_lifetime_days=1), ("1", ["1", DATE], ["7", "30", "90", "365", "never"])),
        (Policies(max_key_lifetime_days=180), ("90", ["7", "30", "90", "180", DATE], ["365", "never"])),
        (Policies(max_key_lifetime_days=3650), ("90", ["7", "30", "90", "365", DATE], ["never"])),
    ],
)
@pytest.mark.usefixtures("api")
def test_a_new_key_is_offered_the_longest_lifetime_and_none_that_is_longer(
    ada_client: Client, under: Set, policies: Policies, offered: tuple[str, list[str], list[str]]
) -> None:
    under(policies)
    assert lifetimes(ada_client.get(NEW).text) == offered


@pytest.mark.usefixtures("api")
def test_each_lifetime_tells_its_date(ada_client: Client) -> None:
    with time_machine.travel("2026-11-30T12:00Z", tick=False):
        tree = LexborHTMLParser(ada_client.get(NEW).text)
    hints = [hint.text() for hint in the("fieldset#id_lifetime", tree).css(".choice__hint")]
    assert hints == ["7 Dec 2026", "30 Dec 2026", "28 Feb 2027", "30 Nov 2027"]


@pytest.mark.usefixtures("api")
def test_who_can_change_a_policy_gets_a_link_and_others_get_names(
    ada_client: Client, ben_client: Client, under: Set
) -> None:
    under(Policies(max_key_lifetime_days=30, live_networks_required=True))
    for browser, who in ((ada_client, "You can change this in Policies."), (ben_client, "Ada can change that.")):
        page = browser.get(NEW).text
        lifetime, networks = the("#id_lifetime-hint", page), the("#id_networks-hint", page)
        assert lifetime.text().endswith(f"Your organization limits keys to 30 days from their newest secret. {who}")
        assert networks.text().endswith(f"Your organization requires addresses on live keys. {who}")
        links = [link.attributes["href"] for link in (*lifetime.css("a"), *networks.css("a"))]
        assert links == (["/app/settings/policies/"] * 2 if browser is ada_client else [])


@pytest.mark.usefixtures("api")
def test_addresses_that_are_demanded_are_not_folded_away_and_not_called_optional(
    ada_client: Client, under: Set
) -> None:
    for page in (NEW, NEW_CLIENT):
        under(Policies())
        tree = LexborHTMLParser(ada_client.get(page).text)
        assert "open" not in the("details.fold:has(#id_networks)", tree).attributes
        assert the("label[for=id_networks]", tree).text() == "Allowed addresses (optional)"
        under(Policies(live_networks_required=True))
        tree = LexborHTMLParser(ada_client.get(page).text)
        assert "open" in the("details.fold:has(#id_networks)", tree).attributes
        assert the("label[for=id_networks]", tree).text() == "Allowed addresses"


@pytest.mark.usefixtures("api")
def test_who_may_make_no_live_keys_is_offered_test_keys(ben_client: Client, under: Set) -> None:
    under(Policies(live_keys_by=Role.OWNER, live_networks_required=True))
    for page in (NEW, NEW_CLIENT):
        tree = LexborHTMLParser(ben_client.get(page).text)
        assert "disabled" in the("[name=environment][value=live]", tree).attributes
        assert "checked" in the("[name=environment][value=test]", tree).attributes
        assert "only owners create live keys. Ada can change that." in the("#id_environment-hint", tree).text()
        assert "Your organization" not in the("#id_networks-hint", tree).text()  # of live keys alone


def test_all_violations_are_told_at_once_beside_other_errors(
    api: Api, ben_client: Client, new_key_form: dict[str, str], under: Set
) -> None:
    under(Policies(30, live_networks_required=True, live_keys_by=Role.OWNER))
    page = ben_client.post(NEW, new_key_form | {"name": ""})
    told = [link.text() for link in LexborHTMLParser(page.text).css(".summary a")]
    assert told == [
        "Name: Enter the name.",
        "Environment: Choose Test. Only owners can create live keys.",
        "Expires: Choose an earlier date. Keys last at most 30 days from their newest secret.",
        "Allowed addresses: Enter at least one address. Live keys need one.",
    ]
    assert the("h2", page.text).text() == "There are 4 things to fix"
    assert ben_client.post(NEW, new_key_form | {"environment": "test", "lifetime": "30"}).status_code == 200
    assert ApiKey.objects.get().api == api


def test_an_edit_keeps_what_breaks_a_policy_and_offers_nothing_else_that_does(
    key: ApiKey, ada_client: Client, under: Set
) -> None:
    key.secrets.update(created_at=key.created_at - timedelta(days=10))
    under(Policies(30, live_networks_required=True))
    where = f"/app/keys/{key.public_id}/edit/"
    html = ada_client.get(where).text
    assert lifetimes(html) == ("keep", ["keep", "7", DATE], ["30", "90", "365"])  # of 30 days, 10 are over
    hint = the("#id_lifetime-hint", html).text()
    assert "As it is: never. Your organization limits keys to 30 days from their newest secret: until " in hint
    assert " at most. Roll the key to go further. You can change this in Policies." in hint
    sent = filled_in(LexborHTMLParser(html).css("main form")[-1])
    assert (
        "name"
        in the("dl.diff", ada_client.post(where, sent | {"name": "renamed", "step": "review"}).text).text().lower()
    )
    page = ada_client.post(where, sent | {"lifetime": "30", "networks": "0.0.0.0/0", "step": "review"})
    told = [link.text().partition(":")[0] for link in LexborHTMLParser(page.text).css(".summary a")]
    assert told == ["Expires", "Allowed addresses"]


def test_an_edit_tells_the_date_that_is_kept(key: ApiKey, ada_client: Client) -> None:
    ends = key.created_at + timedelta(days=40)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=ends)
    page = ada_client.get(f"/app/keys/{key.public_id}/edit/").text
    assert the("#id_lifetime .choice__hint", page).text() == day_words(ends)


def test_a_client_is_held_to_the_policies_where_its_addresses_change(
    oauth_client: OAuthClient, ada: User, ada_client: Client, under: Set
) -> None:
    under(Policies(live_networks_required=True))
    where = f"/app/clients/{oauth_client.public_id}/edit/"
    sent = filled_in(LexborHTMLParser(ada_client.get(where).text).css("main form")[-1])
    assert ada_client.post(where, sent | {"name": "renamed", "step": "review"}).status_code == 200
    page = ada_client.post(where, sent | {"networks": "0.0.0.0/0", "step": "review"})
    assert "Allowed addresses: Enter smaller networks: " in the(".summary", page.text).text()
