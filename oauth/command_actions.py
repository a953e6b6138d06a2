"""Actions of ``manage.py credential`` on OAuth clients: find one, act on it, report the result."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from keys.command_actions import Operation, Report, chosen, shared_actions, spread_report
from keys.pages.presenters import facts_of
from keys.rules.states import state
from keys.services.credentials import note_credential
from oauth.models import Client
from oauth.protocol.client_fields import CLIENT_FIELDS
from oauth.services import clients
from oauth.services.clients import ClientSettings
from oauth.services.tokens import revoke_all_tokens
from portal.audit import COMMAND
from portal.outbox import Propagation, batch_changes


def _find(public_id: str) -> Client:
    return Client.objects.select_related("organization").get(public_id=public_id)


def _report(client: Client, spread: Propagation | None = None, **more: object) -> Report:
    client = _find(client.public_id)
    word = state(facts_of(client), now=timezone.now()).value
    return {"id": client.public_id, "state": word, **spread_report(spread), **more}


def _show(client: Client, _: Mapping[str, Any]) -> Report:
    return _report(
        client,
        name=client.name,
        organization=client.organization.public_id,
        environment=client.environment,
        grants=dict(client.grants.values_list("api__public_id", "scopes")),
        networks=client.networks,
        rate_limits=client.rate_limits,
        operator_metadata=client.operator_metadata,
        token_lifetime_s=client.token_lifetime_s,
        public_keys=[key["kid"] for key in client.public_keys],
        secrets=[secret.hint for secret in client.secrets.all()],
    )


def _set(client: Client, options: Mapping[str, Any]) -> Report:
    """Change the given options and keep the rest. An edit by somebody else in between raises Conflict."""
    wanted = chosen(options, "scopes", "networks", "rate_limits", "operator_metadata")
    scopes, noted = wanted.pop("scopes", None), wanted.pop("operator_metadata", None)
    now_set = {name: getattr(client, name) for name in CLIENT_FIELDS}
    grants = None if scopes is None else {_only_api(client): scopes}
    with batch_changes() as group:
        if wanted or grants is not None:
            settings = replace(ClientSettings(**now_set), **wanted)
            clients.edit_client(client, settings, grants=grants, by=COMMAND, seen_version=client.version)
        if noted is not None:
            note_credential(client, noted, by=COMMAND)
    return _report(client, group.spread)


def _only_api(client: Client) -> str:
    granted = list(client.grants.values_list("api__public_id", flat=True))
    if len(granted) != 1:
        raise ValueError("This client is granted several APIs; say on its page which scopes it has at each.")
    return granted[0]


FIND: dict[str, Callable[[str], Any]] = {"client": _find}
ACTIONS: dict[str, dict[str, Operation]] = {
    "client": {
        **shared_actions(_report),
        "show": _show,
        "revoke-tokens": lambda client, _: _report(client, revoke_all_tokens(client, by=COMMAND).propagation),
        "set": _set,
    },
}
