"""Shared by the operations on clients: results, the row lock, snapshot names, and the check for revoked clients."""

from dataclasses import dataclass, field

from keys.services.common import hold_change
from keys.services.errors import Refused
from keys.validation.snapshot_names import client_name
from oauth.models import Client, ClientSecret
from portal.audit import Actor
from portal.outbox import Propagation


@dataclass(frozen=True)
class IssuedClient:
    """A client with a new secret, whose text is shown once and is left out of ``repr``."""

    client: Client
    secret: ClientSecret
    secret_text: str = field(repr=False)
    propagation: Propagation


@dataclass(frozen=True)
class ChangedClient:
    """A client after a change, with the propagation of the change."""

    client: Client
    propagation: Propagation


def lock_client(public_id: str, *, by: Actor) -> Client:
    """Lock the client's row and check that the actor may change it; raises NotAllowed. The organization is loaded too.

    The lock does not block writes of rows that only refer to the client.
    """
    clients = Client.objects.select_for_update(of=("self",), no_key=True)
    client = clients.select_related("organization").get(public_id=public_id)
    hold_change(client, by=by)
    return client


def name_of(client: Client) -> str:
    """The name of the client's snapshot, which includes secrets, grants and revoked tokens."""
    return client_name(client.public_id)


def name_of_secret(secret: ClientSecret) -> str:
    """The name of the snapshot that includes the secret."""
    return name_of(secret.client)


def refuse_if_revoked(client: Client) -> None:
    """Raise Refused for a revoked client."""
    if client.revoked_at is not None:
        raise Refused("This client is revoked; that cannot be undone.")
