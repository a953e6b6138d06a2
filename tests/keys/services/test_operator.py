"""The operator's operations: APIs, API secrets, suspension."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from keys.models import Api, ApiKey, ApiSecret, Environment, RevokeReason
from keys.services import api_secrets, apis
from keys.services.api_secrets import IssuedApiSecret
from keys.services.apis import ApiSettings, ScopeSettings
from keys.services.credentials import note_credential
from keys.services.errors import AlreadyDone, Conflict, Invalid, Refused
from keys.services.keys import KeySettings, edit_key
from oauth.models import Client
from portal.audit import COMMAND, Actor, NotAllowed
from portal.models import AuditEvent, Organization
from portal.services.organizations import note_organization, resume_organization, suspend_organization

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HOUR = timedelta(hours=1)
WANTED = ApiSettings("Orders", {"orders:read": ScopeSettings("Read orders")})


def test_no_member_has_a_part_in_the_operators_things(
    api_secret: IssuedApiSecret, acme: Organization, key: ApiKey, oauth_client: Client, as_ada: Actor
) -> None:
    api, secret = api_secret.secret.api, api_secret.secret
    operations: list[Callable[[], object]] = [
        lambda: apis.create_api("https://other.example.com", WANTED, by=as_ada),
        lambda: apis.edit_api(api, WANTED, by=as_ada),
        lambda: apis.disable_api(api, by=as_ada),
        lambda: apis.enable_api(api, by=as_ada),
        lambda: api_secrets.issue_api_secret(api, name="x", environment=Environment.LIVE, by=as_ada),
        lambda: api_secrets.roll_api_secret(secret, overlap=HOUR, by=as_ada),
        lambda: api_secrets.end_api_secret(secret, by=as_ada),
        lambda: api_secrets.extend_api_secret(secret, ends_at=secret.created_at + HOUR, by=as_ada),
        lambda: api_secrets.disable_api_secret(secret, by=as_ada),
        lambda: api_secrets.enable_api_secret(secret, by=as_ada),
        lambda: api_secrets.revoke_api_secret(secret, reason=RevokeReason.OTHER, by=as_ada),
        lambda: resume_organization(acme, by=as_ada),
        lambda: note_organization(acme, external_id="x", by=as_ada),
        lambda: note_credential(key, {"plan": "gold"}, by=as_ada),
        lambda: note_credential(oauth_client, {"plan": "gold"}, by=as_ada),
    ]
    for operation in operations:
        with pytest.raises(NotAllowed):
            operation()


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "orders",
        "//orders",
        "https://a.example#b",
        "https://a b",
        "https://é.example",
        "https://[",
        "x:" + "x" * 255,
    ],
)
def test_an_identifier_is_an_absolute_uri_without_fragment(db: None, identifier: str) -> None:
    with pytest.raises(Invalid) as refusal:
        apis.create_api(identifier, WANTED, by=COMMAND)
    assert refusal.value.field == "identifier"


def test_an_identifier_is_taken_once(api: Api) -> None:
    with pytest.raises(Invalid, match="Another API"):
        apis.create_api(api.identifier, WANTED, by=COMMAND)


@pytest.mark.parametrize("scope", ["", "a b", 'a"b', "a\\b", "ä", "x" * 129])
def test_a_scope_outside_the_grammar_is_refused(api: Api, scope: str) -> None:
    with pytest.raises(Invalid, match="is no scope"):
        apis.edit_api(api, replace(WANTED, scopes={scope: ScopeSettings()}), by=COMMAND)


def test_editing_an_api_tells_what_changed(api: Api) -> None:
    apis.edit_api(api, WANTED, by=COMMAND, seen_version=1)
    event = AuditEvent.objects.get(action="api.edited")
    assert event.before == {"scopes": ["orders:read", "orders:write", "refunds:write"]}
    assert event.after == {"scopes": ["orders:read"]}
    with pytest.raises(Conflict):
        apis.edit_api(api, WANTED, by=COMMAND, seen_version=1)


def test_the_builtin_api_comes_with_its_scopes_and_stays_as_it_is(db: None) -> None:
    builtin = Api.objects.get(is_builtin=True)
    assert builtin.scopes.filter(name="keys:write").exists()
    with pytest.raises(Refused, match="built-in"):
        apis.edit_api(builtin, WANTED, by=COMMAND)


def test_a_disabled_api_gets_no_secrets_until_it_is_enabled(api: Api) -> None:
    apis.disable_api(api, by=COMMAND)
    with pytest.raises(Refused, match="disabled"):
        api_secrets.issue_api_secret(api, name="x", environment=Environment.LIVE, by=COMMAND)
    apis.enable_api(api, by=COMMAND)
    assert api_secrets.issue_api_secret(api, name="x", environment=Environment.LIVE, by=COMMAND)


def test_rolling_an_api_secret_keeps_its_line_and_others_alone(
    api: Api, api_secret: IssuedApiSecret, now: datetime
) -> None:
    other = api_secrets.issue_api_secret(api, name="Gateway", environment=Environment.LIVE, by=COMMAND).secret
    successor = api_secrets.roll_api_secret(api_secret.secret, overlap=HOUR, by=COMMAND).secret
    old = ApiSecret.objects.get(pk=api_secret.secret.pk)
    assert (successor.line, successor.name) == (old.line, old.name)
    assert old.ends_at is not None
    assert HOUR <= old.ends_at - now <= HOUR + timedelta(minutes=1)
    assert ApiSecret.objects.get(pk=other.pk).ends_at is None


def test_the_end_of_an_api_secret_moves_and_comes(api_secret: IssuedApiSecret, now: datetime) -> None:
    old = api_secret.secret
    with pytest.raises(Refused, match="newest"):
        api_secrets.end_api_secret(old, by=COMMAND)
    api_secrets.roll_api_secret(old, overlap=HOUR, by=COMMAND)
    assert api_secrets.extend_api_secret(old, ends_at=now + 2 * HOUR, by=COMMAND).secret.ends_at == now + 2 * HOUR
    api_secrets.end_api_secret(old, by=COMMAND)
    api_secrets.end_api_secret(old, by=COMMAND)
    assert AuditEvent.objects.filter(action="api_secret.ended").count() == 1
    with pytest.raises(Refused, match="already ended"):
        api_secrets.extend_api_secret(old, ends_at=now + 2 * HOUR, by=COMMAND)


def test_a_form_sent_twice_makes_one_api_secret(api: Api) -> None:
    form = uuid4()
    issue = partial(api_secrets.issue_api_secret, api, name="x", environment=Environment.LIVE, submission=form)
    made = issue(by=COMMAND).secret
    with pytest.raises(AlreadyDone) as refusal:
        issue(by=COMMAND)
    assert refusal.value.subject_id == made.public_id
    assert ApiSecret.objects.filter(api=api).count() == 1


def test_whoever_rolls_an_api_secret_that_was_just_rolled_is_told_so(api_secret: IssuedApiSecret) -> None:
    seen = api_secret.secret.public_id
    api_secrets.roll_api_secret(api_secret.secret, overlap=HOUR, by=COMMAND, seen_secret_id=seen)
    with pytest.raises(Conflict):
        api_secrets.roll_api_secret(api_secret.secret, overlap=HOUR, by=COMMAND, seen_secret_id=seen)


def test_a_revoked_api_secret_stays_revoked(api_secret: IssuedApiSecret) -> None:
    secret = api_secrets.revoke_api_secret(api_secret.secret, reason=RevokeReason.LEAKED, by=COMMAND).secret
    again = api_secrets.revoke_api_secret(secret, reason=RevokeReason.OTHER, by=COMMAND).secret
    assert (again.revoked_at, again.revoke_reason) == (secret.revoked_at, "leaked")
    for operation in (api_secrets.disable_api_secret, api_secrets.enable_api_secret):
        with pytest.raises(Refused, match="revoked"):
            operation(secret, by=COMMAND)
    with pytest.raises(Refused, match="revoked"):
        api_secrets.roll_api_secret(secret, overlap=HOUR, by=COMMAND)


def test_disabling_and_suspending_are_told_once_each(api_secret: IssuedApiSecret, acme: Organization) -> None:
    for _ in range(2):
        api_secrets.disable_api_secret(api_secret.secret, by=COMMAND)
        suspend_organization(acme, by=COMMAND)
    for _ in range(2):
        api_secrets.enable_api_secret(api_secret.secret, by=COMMAND)
        resume_organization(acme, by=COMMAND)
    told = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))[-4:]
    assert told == ["api_secret.disabled", "organization.suspended", "api_secret.enabled", "organization.resumed"]


def test_what_is_noted_of_an_organization_is_written_down_once(acme: Organization) -> None:
    for _ in range(2):
        note_organization(acme, external_id=" crm 42 ", operator_metadata={"plan": "gold"}, by=COMMAND)
    event = AuditEvent.objects.get(action="organization.noted")
    assert event.after == {"external_id": "crm 42", "operator_metadata": {"plan": "gold"}}
    assert event.before == {"external_id": None, "operator_metadata": {}}
    note_organization(acme, operator_metadata={}, by=COMMAND)
    acme.refresh_from_db()
    assert (acme.external_id, acme.operator_metadata) == ("crm 42", {})


def test_no_two_organizations_have_one_external_id(acme: Organization, initech: Organization) -> None:
    note_organization(acme, external_id="crm-42", by=COMMAND)
    with pytest.raises(Invalid, match="Another organization") as refusal:
        note_organization(initech, external_id="crm-42", operator_metadata={"a": 1}, by=COMMAND)
    assert refusal.value.field == "external_id"
    initech.refresh_from_db()
    assert (initech.external_id, initech.operator_metadata) == (None, {})
    note_organization(acme, external_id="", by=COMMAND)
    note_organization(initech, external_id="crm-42", by=COMMAND)


def test_the_operators_metadata_is_kept_where_a_consumer_edits_the_key(key: ApiKey, as_ada: Actor) -> None:
    note_credential(key, {"plan": "basic"}, by=COMMAND)
    edit_key(key, KeySettings("k", metadata={"plan": "gold"}), by=as_ada)
    key.refresh_from_db()
    assert (key.operator_metadata, key.metadata) == ({"plan": "basic"}, {"plan": "gold"})


def test_the_operators_metadata_has_the_bounds_of_the_consumers(key: ApiKey) -> None:
    with pytest.raises(Invalid, match="limited to"):
        note_credential(key, {"plan": "x" * 5000}, by=COMMAND)
