"""Read how much clients are used: tokens issued to them, and calls made with those. Nothing here writes."""

from datetime import datetime

from keys.pages.usage_reports import Calls, Day, calls_of_secrets, days_of_secrets
from oauth.client_auth import id_of_key
from oauth.models import Client


def tokens_of_client(client: Client, *, now: datetime) -> Calls:
    """The token requests of the last 24 hours; each that was not denied is a token."""
    return calls_of_secrets(_proofs(client), now=now)


def days_of_tokens(client: Client, *, days: int, now: datetime) -> list[Day]:
    """The token requests of the last so many days, oldest first, today included."""
    return days_of_secrets(_proofs(client), days=days, now=now)


def calls_of_client(client: Client, *, now: datetime) -> Calls:
    """The validations of its tokens in the last 24 hours, which are counted under the client's own id."""
    return calls_of_secrets([client.public_id], now=now)


def _proofs(client: Client) -> list[str]:
    """What it has proved itself by: its secrets, or its keys of now."""
    secrets = client.secrets.values_list("public_id", flat=True)
    return [*secrets, *(id_of_key(client.public_id, key["kid"]) for key in client.public_keys)]
