"""`manage.py credential client_…` does what operators script against clients, and says what came of it."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from keys.models import Api
from keys.rules.secret import digest
from keys.services.apis import ApiSettings, create_api
from oauth.models import Client
from oauth.services.clients import ClientSettings, edit_client
from portal.audit import COMMAND
from portal.models import AuditEvent

pytestmark = pytest.mark.both_databases


def _credential(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("credential", *arguments, "--json", stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("show", "active"),
        ("disable", "disabled"),
        ("enable", "active"),
        ("revoke", "revoked"),
        ("revoke-tokens", "active"),
    ],
)
def test_a_client_is_changed_and_its_new_state_told(client_row: Client, action: str, state: str) -> None:
    report = _credential(client_row.public_id, action)
    assert (report["id"], report["state"]) == (client_row.public_id, state)
    assert action == "show" or report["propagation_ms"] >= 0


def test_revoking_tokens_begins_a_new_generation_and_says_who_did(client_row: Client) -> None:
    _credential(client_row.public_id, "revoke-tokens")
    client_row.refresh_from_db()
    assert client_row.generation == 2
    assert AuditEvent.objects.get(action="client.tokens_revoked").actor_kind == COMMAND.kind


def test_a_roll_tells_the_new_secret_and_lets_the_old_one_go_on(client_row: Client, settings: Any) -> None:
    report = _credential(client_row.public_id, "roll", "--overlap", "3600")
    newest, old = client_row.secrets.all()
    assert bytes(newest.digest) == digest(report["secret"], settings.KEY_PEPPERS[0].key)
    assert old.ends_at is not None
    assert round((old.ends_at - newest.created_at).total_seconds()) == 3600


def test_set_changes_what_is_given_and_keeps_the_rest(client_row: Client) -> None:
    _credential(client_row.public_id, "set", "--networks", "10.0.0.0/8", "--rate-limit", "100/60")
    report = _credential(client_row.public_id, "set", "--scopes", "orders:read")
    client_row.refresh_from_db()
    assert report["propagation_ms"] >= 0
    assert (client_row.name, client_row.networks) == ("nightly sync", ["10.0.0.0/8"])
    assert [limit["limit"] for limit in client_row.rate_limits] == [100]
    assert [grant.scopes for grant in client_row.grants.all()] == [["orders:read"]]


def test_the_operators_metadata_of_a_client_is_set_alone_or_with_its_settings(client_row: Client) -> None:
    _credential(client_row.public_id, "set", "--operator-metadata", '{"plan": "gold"}')
    _credential(client_row.public_id, "set", "--operator-metadata", '{"plan": "basic"}', "--networks", "10.0.0.0/8")
    client_row.refresh_from_db()
    assert (client_row.operator_metadata, client_row.networks) == ({"plan": "basic"}, ["10.0.0.0/8"])
    assert _credential(client_row.public_id, "show")["operator_metadata"] == {"plan": "basic"}


def test_what_is_shown_to_a_person_can_be_given_back(client_row: Client) -> None:
    _credential(client_row.public_id, "set", "--operator-metadata", '{"plan": "or", "trial": null, "é": true}')
    out = StringIO()
    call_command("credential", client_row.public_id, "show", stdout=out)
    [line] = [line for line in out.getvalue().splitlines() if line.startswith("operator_metadata: ")]
    _credential(client_row.public_id, "set", "--operator-metadata", line.partition(": ")[2])
    client_row.refresh_from_db()
    assert client_row.operator_metadata == {"plan": "or", "trial": None, "é": True}


@pytest.mark.parametrize("options", [(), ("--quota", "10"), ("--expires-at", "never"), ("--external-id", "x")])
def test_a_client_is_not_set_to_what_it_does_not_have(client_row: Client, options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"Say what to set|has no"):
        _credential(client_row.public_id, "set", *options)


def test_scopes_of_a_client_with_several_apis_are_not_guessed(client_row: Client, api: Api) -> None:
    other_api = create_api("https://billing.example.com", ApiSettings("Billing", {}), by=COMMAND).api
    edit_client(client_row, ClientSettings("n"), grants={api.public_id: [], other_api.public_id: []}, by=COMMAND)
    with pytest.raises(CommandError, match="several APIs"):
        _credential(client_row.public_id, "set", "--scopes", "")
