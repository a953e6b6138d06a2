"""Decide whether an authenticated client may be used. No clock, no database, no Redis."""

from keys.validation.types import ClientSnapshot, Code, OrganizationSnapshot
from keys.validation.verdict import last_refusal


def check_client(
    client: ClientSnapshot,
    organization: OrganizationSnapshot,
    *,
    proof_ends_at: float | None,
    address: str | None,
    now: float,
) -> Code:
    """VALID, or the code of the first check that fails; ``proof_ends_at`` is the end of the presented secret."""
    if client.is_compromised:
        return Code.COMPROMISED
    if client.is_revoked:
        return Code.REVOKED
    if client.is_disabled:
        return Code.DISABLED
    if proof_ends_at is not None and proof_ends_at <= now:
        return Code.SUPERSEDED
    return last_refusal(organization, client.networks, address)
