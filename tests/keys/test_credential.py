"""`manage.py credential` does what operators script, through the services, and says what came of it."""

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from keys.models import ApiKey
from keys.rules.secret import digest, parse
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from portal import outbox
from portal.models import AuditEvent, Organization

pytestmark = pytest.mark.both_databases


def _credential(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("credential", *arguments, "--json", stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


@pytest.mark.parametrize(
    ("action", "state"), [("show", "active"), ("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")]
)
def test_a_key_is_changed_and_its_new_state_told(key: ApiKey, action: str, state: str) -> None:
    report = _credential(key.public_id, action)
    assert (report["id"], report["state"]) == (key.public_id, state)
    assert action == "show" or report["propagation_ms"] == report["propagation"]["ms"] >= 0


def test_programs_are_told_how_many_processes_have_heard(key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_flush", lambda _: 4)
    report = _credential(key.public_id, "disable")
    assert report["propagation"] == {"ms": report["propagation_ms"], "processes": 4}


def test_a_leak_is_told_as_compromised(key: ApiKey) -> None:
    assert _credential(key.public_id, "revoke", "--reason", "leaked")["state"] == "compromised"


def test_a_roll_tells_the_new_secret_and_lets_the_old_one_go_on(issued: IssuedKey, settings: Any) -> None:
    report = _credential(issued.credential.public_id, "roll", "--overlap", "3600")
    newest, old = issued.credential.secrets.order_by("-pk")
    assert bytes(newest.digest) == digest(report["secret"], settings.KEY_PEPPERS[0].key)
    assert old.ends_at is not None
    assert round((old.ends_at - newest.created_at).total_seconds()) == 3600


def test_set_changes_what_is_given_and_keeps_the_rest(key: ApiKey) -> None:
    limits = ("--rate-limit", "100/60", "--rate-limit", "daily=10000/86400", "--quota", "10/day")
    _credential(key.public_id, "set", "--scopes", "orders:read", "--networks", "10.0.0.0/8,::1/128", *limits)
    _credential(key.public_id, "set", "--expires-at", "2100-01-31T00:00:00Z")
    key.refresh_from_db()
    assert (key.scopes, key.networks) == (["orders:read"], ["10.0.0.0/8", "::1/128"])
    assert [limit["name"] for limit in key.rate_limits] == ["default", "daily"]
    assert key.quota == {"limit": 10, "refill": "day"}
    assert key.expires_at == datetime(2100, 1, 31, tzinfo=UTC)
    assert key.name == "billing worker"


def test_set_can_take_away(key: ApiKey) -> None:
    _credential(
        key.public_id, "set", "--networks", "10.0.0.0/8", "--rate-limit", "1/1", "--expires-at", "2100-01-01T00:00Z"
    )
    _credential(key.public_id, "set", "--quota", "10")
    nothing = ("--scopes", "", "--networks", "", "--rate-limit", "", "--quota", "")
    _credential(key.public_id, "set", *nothing, "--expires-at", "never")
    key.refresh_from_db()
    assert (key.scopes, key.networks, key.rate_limits, key.quota, key.expires_at) == ([], [], [], None, None)


def test_the_operators_metadata_of_a_key_is_set_alone_or_with_its_settings(key: ApiKey) -> None:
    _credential(key.public_id, "set", "--operator-metadata", '{"plan": "gold"}')
    assert AuditEvent.objects.latest("pk").after == {"operator_metadata": {"plan": "gold"}}
    _credential(key.public_id, "set", "--operator-metadata", "", "--networks", "10.0.0.0/8")
    key.refresh_from_db()
    assert (key.operator_metadata, key.networks, key.version) == ({}, ["10.0.0.0/8"], 4)


def test_an_organization_gets_an_external_id_and_metadata_each_by_itself(acme: Organization) -> None:
    assert _credential(acme.public_id, "set", "--external-id", "crm-42")["propagation_ms"] >= 0
    _credential(acme.public_id, "set", "--operator-metadata", '{"plan": "gold"}')
    shown = _credential(acme.public_id, "show")
    assert (shown["external_id"], shown["operator_metadata"]) == ("crm-42", {"plan": "gold"})
    _credential(acme.public_id, "set", "--external-id", "", "--operator-metadata", "")
    shown = _credential(acme.public_id, "show")
    assert (shown["external_id"], shown["operator_metadata"]) == (None, {})


@pytest.mark.parametrize(
    "options",
    [(), ("--external-id", "a\nb"), ("--operator-metadata", "gold"), ("--external-id", "taken"), ("--scopes", "")],
)
def test_what_an_organization_cannot_be_set_to_changes_nothing(
    acme: Organization, initech: Organization, options: tuple[str, ...]
) -> None:
    _credential(initech.public_id, "set", "--external-id", "taken")
    with pytest.raises(CommandError, match=r"Say what|printable|not JSON|Another organization|no --scopes"):
        _credential(acme.public_id, "set", *options)
    acme.refresh_from_db()
    assert (acme.external_id, acme.operator_metadata) == (None, {})


@pytest.mark.parametrize(
    ("action", "state"), [("show", "active"), ("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")]
)
def test_an_api_secret_is_changed_and_its_new_state_told(api_secret: IssuedApiSecret, action: str, state: str) -> None:
    assert _credential(api_secret.secret.public_id, action)["state"] == state


def test_an_api_secret_is_rolled(api_secret: IssuedApiSecret) -> None:
    report = _credential(api_secret.secret.public_id, "roll", "--overlap", "60")
    assert parse(report["secret"])
    assert report["id"] != api_secret.secret.public_id


@pytest.mark.parametrize(("action", "state"), [("show", "active"), ("suspend", "suspended"), ("resume", "active")])
def test_an_organization_is_suspended_and_resumed(acme: Organization, action: str, state: str) -> None:
    assert _credential(acme.public_id, action)["state"] == state


def test_what_a_command_does_is_in_the_audit_as_a_commands_doing(key: ApiKey) -> None:
    _credential(key.public_id, "revoke")
    event = AuditEvent.objects.get(action="key.revoked")
    assert (event.actor_kind, event.actor_id) == ("command", "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("key_unknown", "show"), "There is no 'key_unknown'"),
        (("nonsense", "show"), "has no action show"),
        (("org_unknown", "roll"), "has no action roll"),
    ],
)
def test_what_does_not_exist_is_said_plainly(arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        call_command("credential", *arguments)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--scopes", "nothing:known"),
        ("--networks", "10.0.0.1/8"),
        ("--rate-limit", "0/60"),
        ("--rate-limit", "many"),
        ("--quota", "0"),
        ("--quota", "10/week"),
        ("--operator-metadata", "[]"),
        ("--operator-metadata", "{", "--networks", "10.0.0.0/8"),
        ("--external-id", "x"),
        ("--expires-at", "2001-01-01T00:00:00Z"),
        ("--expires-at", "2100-01-01T00:00:00"),
        ("--expires-at", "2100-13-01T00:00:00Z"),
    ],
)
def test_a_bad_value_changes_nothing(key: ApiKey, options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("credential", key.public_id, "set", *options)
    assert ApiKey.objects.get(pk=key.pk).version == key.version


def test_without_json_each_fact_has_a_line(key: ApiKey) -> None:
    out = StringIO()
    call_command("credential", key.public_id, "disable", stdout=out)
    assert out.getvalue().splitlines()[:2] == [f"id: {key.public_id}", "state: disabled"]
