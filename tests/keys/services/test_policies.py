"""What an organization asks of its people and their keys is asked by the services, whoever calls them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client

from keys.models import Api, ApiKey, Environment, RevokeReason
from keys.rules.networks import WidestPrefixes
from keys.rules.policy_rules import KeyFacts, network_violations, violations
from keys.services.credentials import revoke_credential
from keys.services.errors import Invalid
from keys.services.keys import KeySettings, edit_key, issue_key
from keys.services.secrets import roll_credential
from oauth.models import Client as OAuthClient
from oauth.services.clients import ClientSettings, create_client, edit_client
from portal.audit import COMMAND, Actor, ActorKind, NotAllowed, SecondFactorMissing
from portal.models import AuditEvent, Organization, User
from portal.permissions import Role
from portal.policies import Policies
from portal.services.policies import change_policies

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIVE, TEST = Environment.LIVE, Environment.TEST
STRICT = Policies(max_key_lifetime_days=30, key_expiry_required=True, live_networks_required=True)


@pytest.mark.parametrize(
    ("policies", "is_live", "networks", "days", "fields"),
    [
        (Policies(), True, [], None, []),
        (Policies(max_key_lifetime_days=30), True, [], 30, []),
        (Policies(max_key_lifetime_days=30), False, [], 31, ["expires_at"]),
        (Policies(max_key_lifetime_days=30), True, [], None, ["expires_at"]),
        (Policies(key_expiry_required=True), True, [], 9999, []),
        (Policies(key_expiry_required=True), True, [], None, ["expires_at"]),
        (Policies(live_networks_required=True), True, [], None, ["networks"]),
        (Policies(live_networks_required=True), False, [], None, []),
        (STRICT, True, [], None, ["expires_at", "networks"]),
        (STRICT, True, ["10.0.0.0/8"], 1, []),
    ],
)
def test_which_rules_a_key_breaks(
    policies: Policies, is_live: bool, networks: list[str], days: int | None, fields: list[str]
) -> None:
    facts = KeyFacts(is_live, networks, None if days is None else NOON + days * DAY, secret_from=NOON)
    found = violations(policies, facts, widest=WidestPrefixes())
    assert [violation.field for violation in found] == fields


@pytest.mark.parametrize(
    ("networks", "is_kept"),
    [
        ([], False),
        (["0.0.0.0/0"], False),
        (["0.0.0.0/0", "::/0"], False),
        (["0.0.0.0/1", "128.0.0.0/1"], False),
        (["::/1", "8000::/1"], False),
        (["::ffff:0:0/96"], False),
        (["::ffff:0.0.0.0/97", "::ffff:128.0.0.0/97"], False),
        (["10.0.0.0/8", "11.0.0.0/32"], False),
        (["10.0.0.0/8"], True),
        (["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"], True),
        (["2001:db8::/32", "10.0.0.0/8"], True),
        (["2001:db8::/31"], False),
    ],
)
def test_allowed_addresses_are_counted_together_and_as_calls_come_from_them(networks: list[str], is_kept: bool) -> None:
    policies = Policies(live_networks_required=True)
    assert (network_violations(policies, networks, is_live=True, widest=WidestPrefixes()) == []) is is_kept
    assert network_violations(policies, networks, is_live=False, widest=WidestPrefixes()) == []


@pytest.mark.django_db
def test_a_live_key_or_client_open_to_every_address_is_refused_where_addresses_are_asked_for(
    key: ApiKey, oauth_client: OAuthClient, as_ada: Actor, settings: Any
) -> None:
    acme, api = key.organization, key.api
    change_policies(acme, Policies(live_networks_required=True), by=as_ada)
    wide = ["0.0.0.0/1", "128.0.0.0/1", "::/0"]
    with pytest.raises(Invalid, match="to a /8 of IPv4 and a /32 of IPv6 in all"):
        issue_key(acme, api, KeySettings("k", networks=wide), environment=LIVE, by=as_ada)
    with pytest.raises(Invalid, match="in all"):
        edit_key(key, KeySettings("k", networks=wide), by=as_ada)
    with pytest.raises(Invalid, match="in all"):
        edit_client(oauth_client, ClientSettings("c", networks=wide), by=as_ada)
    with pytest.raises(Invalid, match="in all"):
        create_client(acme, ClientSettings("c", networks=wide), grants={api.public_id: []}, environment=LIVE, by=as_ada)
    settings.WIDEST_IPV4_PREFIX = settings.WIDEST_IPV6_PREFIX = 0
    edit_key(key, KeySettings("k", networks=wide), by=as_ada)


@pytest.mark.django_db
@pytest.mark.parametrize("days", [None, 31])
def test_a_new_key_keeps_the_policies_and_a_violation_names_who_can_change_them(
    days: int | None, api: Api, ben: User, as_ada: Actor, now: datetime
) -> None:
    acme = ben.organizations.get()
    change_policies(acme, STRICT, by=as_ada)
    wanted = KeySettings("k", networks=["10.0.0.0/8"], expires_at=now + days * DAY if days else None)
    as_ben = Actor(ActorKind.USER, ben, "203.0.113.7", "req_test")
    for by, who in ((as_ada, "You can change this in Policies"), (as_ben, "Ada can change that")):
        with pytest.raises(Invalid, match=rf"Acme limits keys to 30 days from their newest secret. {who}") as refusal:
            issue_key(acme, api, wanted, environment=LIVE, by=by)
        assert refusal.value.field == "expires_at"
    assert ApiKey.objects.count() == 0


@pytest.mark.django_db
def test_keys_from_before_go_on_and_only_what_is_changed_has_to_keep_them(
    key: ApiKey, as_ada: Actor, now: datetime
) -> None:
    change_policies(key.organization, STRICT, by=as_ada)
    edit_key(key, KeySettings("another name", scopes=["orders:read"]), by=as_ada)
    with pytest.raises(Invalid, match="limits keys to 30 days"):
        edit_key(key, KeySettings("k", expires_at=now + 40 * DAY), by=as_ada)
    edit_key(key, KeySettings("k", expires_at=now + 20 * DAY), by=as_ada)
    with pytest.raises(Invalid, match="limits keys to 30 days"):
        edit_key(key, KeySettings("k"), by=as_ada)


@pytest.mark.django_db
def test_a_key_is_extended_past_its_lifetime_only_with_a_new_secret(key: ApiKey, as_ada: Actor, now: datetime) -> None:
    change_policies(key.organization, Policies(max_key_lifetime_days=30), by=as_ada)
    key.secrets.update(created_at=now - 20 * DAY)
    with pytest.raises(Invalid, match="newest secret"):
        edit_key(key, KeySettings("k", expires_at=now + 25 * DAY), by=as_ada)
    roll_credential(key, overlap=DAY, by=as_ada)
    edit_key(key, KeySettings("k", expires_at=now + 25 * DAY), by=as_ada)


@pytest.mark.django_db
def test_who_may_make_live_keys_is_held(acme: Organization, api: Api, as_ada: Actor, ben: User) -> None:
    change_policies(acme, Policies(live_keys_by=Role.ADMIN), by=as_ada)
    as_ben = Actor(ActorKind.USER, ben)
    with pytest.raises(Invalid, match="lets only owners and admins create live keys"):
        issue_key(acme, api, KeySettings("k"), environment=LIVE, by=as_ben)
    issue_key(acme, api, KeySettings("k"), environment=TEST, by=as_ben)
    issue_key(acme, api, KeySettings("k"), environment=LIVE, by=as_ada)
    issue_key(acme, api, KeySettings("k"), environment=LIVE, by=COMMAND)


@pytest.mark.django_db
def test_who_may_make_no_live_keys_rolls_none_though_it_be_their_own(
    acme: Organization, api: Api, as_ada: Actor, ben: User
) -> None:
    as_ben = Actor(ActorKind.USER, ben)
    live, test = (
        issue_key(acme, api, KeySettings("k"), environment=each, by=as_ben).credential for each in (LIVE, TEST)
    )
    change_policies(acme, Policies(live_keys_by=Role.ADMIN), by=as_ada)
    with pytest.raises(Invalid, match="lets only owners and admins create live keys"):
        roll_credential(live, overlap=DAY, by=as_ben)
    assert live.secrets.count() == 1
    roll_credential(test, overlap=DAY, by=as_ben)
    roll_credential(live, overlap=DAY, by=as_ada)


@pytest.mark.django_db
def test_only_admins_and_owners_change_policies_and_each_change_is_told_once(
    acme: Organization, as_ada: Actor, ben: User
) -> None:
    with pytest.raises(NotAllowed):
        change_policies(acme, STRICT, by=Actor(ActorKind.USER, ben))
    acme.memberships.filter(user=ben).update(role=Role.ADMIN)
    for _ in range(2):
        change_policies(acme, STRICT, by=as_ada)
    event = AuditEvent.objects.get(action="organization.policies_changed")
    assert event.before["max_key_lifetime_days"] is None
    assert event.after["max_key_lifetime_days"] == 30
    assert [each.to for each in mail.outbox] == [["ben@example.com"]]


@pytest.mark.django_db
def test_no_second_factor_is_required_from_a_day_that_some_calendar_does_not_have(
    acme: Organization, as_ada: Actor
) -> None:
    for day in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        with pytest.raises(Invalid, match="between the years 2000 and 9000") as refusal:
            change_policies(acme, Policies(second_factor_from=day), by=as_ada)
        assert refusal.value.field == "second_factor_from"


@pytest.mark.django_db
def test_without_the_second_factor_that_is_asked_for_nobody_gets_in_nor_changes_anything(
    key: ApiKey, as_ada: Actor, ada_client: Client, now: datetime
) -> None:
    assert as_ada.user is not None
    change_policies(key.organization, Policies(second_factor_from=now + DAY), by=as_ada)
    page = ada_client.get("/app/")
    assert (page.status_code, "Acme lets nobody in without one" in page.text) == (200, True)
    Organization.objects.update(second_factor_from=now)
    page = ada_client.get("/app/")
    assert (page.status_code, "Set up a second factor" in page.text) == (403, True)
    with pytest.raises(SecondFactorMissing):
        revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    TOTP.activate(as_ada.user, generate_totp_secret())
    page = ada_client.get("/app/")
    assert (page.status_code, "without one" in page.text) == (200, False)


@pytest.mark.django_db
def test_the_form_says_what_would_be_affected_before_it_saves(
    ada_client: Client, key: ApiKey, ben: User, cyn_client: Client
) -> None:
    form = {"max_key_lifetime_days": "30", "live_keys_by": "admin", "second_factor_from": "2030-01-01"}
    review = ada_client.post("/app/settings/policies/", form).text
    said = " ".join(review.split())
    for fact in (
        "1 existing key breaks",
        "It keeps working. Whatever you change on it must comply.",
        "billing worker",
        "3 members without a second",
        "1 member who can create",
    ):
        assert fact in said
    key.organization.refresh_from_db()
    assert key.organization.policies == Policies()
    assert ada_client.post("/app/settings/policies/", form | {"step": "save"}).status_code == 303
    page = ada_client.get("/app/settings/policies/").text
    assert "1 existing key breaks these policies" in page
    assert "It keeps working. Whatever you change on it must comply." in page
    assert "30" in cyn_client.get("/app/settings/").text


@pytest.mark.django_db
def test_a_violation_is_told_at_its_field(ada_client: Client, acme: Organization, api: Api, as_ada: Actor) -> None:
    change_policies(acme, Policies(max_key_lifetime_days=30), by=as_ada)
    form = {"submission": str(uuid4()), "name": "k", "environment": "live", "template": "full", "lifetime": "90"}
    page = ada_client.post("/app/keys/new/", form)
    assert page.status_code == 422
    assert "Expires: Choose an earlier date. Keys last at most 30 days from their newest secret." in page.text
