"""What operations on clients share: the lock, the snapshot's name and the refusals."""

from dataclasses import dataclass, field

from keys.services.common import hold_change
from keys.services.errors import Refused
from keys.validation.snapshot_names import client_name
from oauth.models import Client, ClientSecret
from portal.audit import Actor
from portal.outbox import Propagation


@dataclass(frozen=True)
class IssuedClient:
    """A client and a new secret of it, whose text is shown once and hides itself in ``repr``."""

    client: Client
    secret: ClientSecret
    secret_text: str = field(repr=False)
    propagation: Propagation


@dataclass(frozen=True)
class ChangedClient:
    """A client after a change, and how far the change has spread."""

    client: Client
    propagation: Propagation


def lock_client(public_id: str, *, by: Actor) -> Client:
    """The client, locked, with its organization at hand, for who may change it now; raises NotAllowed.

    Rows that only refer to it may be written meanwhile.
    """
    clients = Client.objects.select_for_update(of=("self",), no_key=True)
    client = clients.select_related("organization").get(public_id=public_id)
    hold_change(client, by=by)
    return client


def name_of(client: Client) -> str:
    """The client's snapshot, which holds all that is its own."""
    return client_name(client.public_id)


def name_of_secret(secret: ClientSecret) -> str:
    """The snapshot that the secret stands in."""
    return name_of(secret.client)


def refuse_if_revoked(client: Client) -> None:
    """Raise Refused for a client that was revoked."""
    if client.revoked_at is not None:
        raise Refused("This client is revoked; that cannot be undone.")
