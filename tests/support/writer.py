"""A process that changes credentials on command, next to a live portal and with its environment.

Each input line is a JSON list: the name of an operation and its arguments. Each output line is a JSON object with the
times before and after the operation, and its result. The times are of CLOCK_MONOTONIC, which all processes of a machine
share.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.db import connection  # noqa: E402  # after Django

from keys.models import Api, ApiKey, Environment, RevokeReason  # noqa: E402  # after Django
from keys.services.apis import ApiSettings, ScopeSettings, disable_api, edit_api, enable_api  # noqa: E402
from keys.services.credentials import (  # noqa: E402
    IssuedCredential,
    disable_credential,
    enable_credential,
    revoke_credential,
)
from keys.services.keys import KeySettings, edit_key, issue_key  # noqa: E402
from keys.services.secrets import end_old_secret, roll_credential  # noqa: E402
from oauth.models import Client  # noqa: E402
from oauth.services.clients import ClientSettings, create_client  # noqa: E402
from oauth.services.tokens import revoke_all_tokens, revoke_token  # noqa: E402
from portal import outbox  # noqa: E402  # after Django
from portal.audit import COMMAND  # noqa: E402
from portal.models import Organization  # noqa: E402
from portal.services.organizations import resume_organization, suspend_organization  # noqa: E402
from tests.support.oauth.minting import claims_for, sign  # noqa: E402


def issue(organization: str, api: str, *scopes: str) -> Any:
    """Issue a key with these scopes; the result is its id and its secret."""
    made = issue_key(
        Organization.objects.get(public_id=organization),
        Api.objects.get(public_id=api),
        KeySettings("recorded", scopes=scopes),
        environment=Environment.LIVE,
        by=COMMAND,
    )
    return made.propagation, [made.credential.public_id, made.secret_text]


def _key(public_id: str) -> ApiKey:
    return ApiKey.objects.select_related("organization", "api").get(public_id=public_id)


def cut(key: str, *scopes: str) -> Any:
    """Set the scopes of the key."""
    return edit_key(_key(key), KeySettings("recorded", scopes=scopes), by=COMMAND).propagation, None


def restrict(key: str, restrictions: dict[str, Any]) -> Any:
    """Set the limits or the quota of the key."""
    return edit_key(_key(key), KeySettings("recorded", **restrictions), by=COMMAND).propagation, None


def cap(api: str, *limits: Any) -> Any:
    """Set the API's ceiling on rates."""
    row = Api.objects.get(public_id=api)
    scopes = {scope.name: ScopeSettings(scope.description, scope.is_sensitive) for scope in row.scopes.all()}
    return edit_api(row, ApiSettings(row.name, scopes, max_rate_limits=limits), by=COMMAND).propagation, None


def roll(key: str, overlap_s: float) -> Any:
    """Roll the key; the result is the new secret."""
    made = roll_credential(_key(key), overlap=timedelta(seconds=overlap_s), by=COMMAND)
    return made.propagation, made.secret_text


def end_oldest(key: str) -> Any:
    """End the oldest secret of the key."""
    row = _key(key)
    return end_old_secret(row, row.secrets.order_by("pk")[0], by=COMMAND).propagation, None


def make_client(organization: str, api: str) -> Any:
    """Create a client with one scope; the result is its id and its secret."""
    made = create_client(
        Organization.objects.get(public_id=organization),
        ClientSettings("recorded"),
        grants={api: ["orders:read"]},
        environment=Environment.LIVE,
        by=COMMAND,
    )
    assert isinstance(made, IssuedCredential)
    return made.propagation, [made.credential.public_id, made.secret_text]


def _client(public_id: str) -> Client:
    return Client.objects.select_related("organization").get(public_id=public_id)


def mint(client: str, lifetime_s: int = 900) -> Any:
    """Mint a token of the client; the result is its ``jti`` and the token. There is no change to propagate."""
    row = _client(client)
    claims = claims_for(row, row.grants.get().api, "orders:read", lifetime_s=lifetime_s)
    return outbox.Propagation(0), [claims.jti, sign(claims)]


def roll_dying(key: str, overlap_s: float, step: str) -> Any:
    """Roll the key in a process that is killed at this step, at the latest after the roll."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it; a fork does not copy its threads
    child = os.fork()
    if child == 0:
        try:
            DYING[step]()
            roll(key, overlap_s)
        finally:
            _die()
    os.waitpid(child, 0)
    return outbox.Propagation(0), None


def _die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(name: str) -> Callable[[], object]:
    return lambda: patch(name, _die).start()


def _die_once_told() -> None:
    flush = outbox._flush
    assert flush is not None
    outbox.register_flush(lambda names: (flush(names), _die())[0])


# The steps of a roll: the process is killed after the step and before the next one.
DYING: dict[str, Callable[[], object]] = {
    "nothing is written": _die_at("keys.services.secrets.end_for_roll"),
    "the old secret has its end": _die_at("keys.services.secrets.mint"),
    "the new secret is made": _die_at("keys.services.secrets.record_of"),
    "it is committed": _die_at("portal.outbox._committed"),
    "every process is being told": _die_at("keys.validation.cache.invalidation._wait"),
    "every process has heard": _die_once_told,
}

OPERATIONS: dict[str, Callable[..., Any]] = {
    "issue": issue,
    "cut": cut,
    "restrict": restrict,
    "cap": cap,
    "roll": roll,
    "roll_dying": roll_dying,
    "end_oldest": end_oldest,
    "create_client": make_client,
    "mint": mint,
    "revoke_token": lambda client, jti: (revoke_token(_client(client), jti, by=COMMAND).propagation, None),
    "revoke_tokens": lambda client: (revoke_all_tokens(_client(client), by=COMMAND).propagation, None),
    "disable_client": lambda client: (disable_credential(_client(client), by=COMMAND).propagation, None),
    "enable_client": lambda client: (enable_credential(_client(client), by=COMMAND).propagation, None),
    "roll_out": lambda client: (roll_credential(_client(client), overlap=timedelta(0), by=COMMAND).propagation, None),
    "revoke_client": lambda client: (
        revoke_credential(_client(client), reason=RevokeReason.OTHER, by=COMMAND).propagation,
        None,
    ),
    "revoke": lambda key: (revoke_credential(_key(key), reason=RevokeReason.OTHER, by=COMMAND).propagation, None),
    "disable": lambda key: (disable_credential(_key(key), by=COMMAND).propagation, None),
    "enable": lambda key: (enable_credential(_key(key), by=COMMAND).propagation, None),
    "suspend": lambda org: (
        suspend_organization(Organization.objects.get(public_id=org), by=COMMAND).propagation,
        None,
    ),
    "resume": lambda org: (resume_organization(Organization.objects.get(public_id=org), by=COMMAND).propagation, None),
    "disable_api": lambda api: (disable_api(Api.objects.get(public_id=api), by=COMMAND).propagation, None),
    "enable_api": lambda api: (enable_api(Api.objects.get(public_id=api), by=COMMAND).propagation, None),
}

if __name__ == "__main__":
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        started = time.monotonic()
        propagation, made = OPERATIONS[name](*arguments)
        answer = {
            "started": started,
            "ended": time.monotonic(),
            "took_ms": propagation.took_ms,
            "is_pending": propagation.effective_by is not None,
            "made": made,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
