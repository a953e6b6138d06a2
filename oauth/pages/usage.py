"""Read the usage of clients: tokens issued to them and calls made with these tokens. Read-only."""

from datetime import datetime

from keys.pages.usage_reports import Calls, Day, calls_of_secrets, days_of_secrets
from oauth.client_auth import id_of_key
from oauth.models import Client


def tokens_of_client(client: Client, *, now: datetime) -> Calls:
    """The token requests of the last 24 hours; each request that was not denied issued a token."""
    return calls_of_secrets(_proofs(client), now=now)


def days_of_tokens(client: Client, *, days: int, now: datetime) -> list[Day]:
    """The token requests of the last ``days`` days, oldest first, today included."""
    return days_of_secrets(_proofs(client), days=days, now=now)


def calls_of_client(client: Client, *, now: datetime) -> Calls:
    """The validations of the client's tokens in the last 24 hours; they are counted under the client's id."""
    return calls_of_secrets([client.public_id], now=now)


def _proofs(client: Client) -> list[str]:
    """The ids under which token requests are counted: those of all secrets and of the present keys."""
    secrets = client.secrets.values_list("public_id", flat=True)
    return [*secrets, *(id_of_key(client.public_id, key["kid"]) for key in client.public_keys)]
