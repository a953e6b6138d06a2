"""Clients as pages and commands show them: every decision a template would have to make, made beforehand."""

from keys.models import RevokeReason
from keys.states import Facts
from oauth.models import Client


def facts_of_client(client: Client) -> Facts:
    """What of the row decides its state, as the verdict on its tokens does; a client has no end of its own."""
    return Facts(
        is_compromised=client.revoke_reason == RevokeReason.LEAKED,
        is_revoked=client.revoked_at is not None,
        is_disabled=client.disabled_at is not None,
        is_suspended=client.organization.suspended_at is not None,
        not_before=None,
        expires_at=None,
    )
