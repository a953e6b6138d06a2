"""What operations on clients share: the lock, the snapshot's name, the refusals and the audit event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from keys.services.errors import Refused
from keys.validation.names import client_name
from oauth.models import Client, ClientSecret
from portal.audit import Actor, record
from portal.audit_actions import AuditAction
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


def lock_client(public_id: str) -> Client:
    """The client, locked, with its organization at hand; rows that only refer to it may be written meanwhile."""
    clients = Client.objects.select_for_update(of=("self",), no_key=True)
    return clients.select_related("organization").get(public_id=public_id)


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


def record_of_client(
    action: AuditAction,
    client: Client,
    by: Actor,
    now: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Append an audit event about a client to the open transaction."""
    record(
        action,
        actor=by,
        at=now,
        organization_id=client.organization.public_id,
        subject_id=client.public_id,
        subject_label=client.name,
        before=before,
        after=after,
    )
