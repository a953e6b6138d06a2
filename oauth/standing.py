"""Decide whether a client that has proved who it is may be used. No clock, no database, no Redis."""

from keys.validation.shapes import ClientSnapshot, Code, OrganizationSnapshot
from keys.validation.verdict import is_within


def standing(  # one guard a check, in the order of the contract
    client: ClientSnapshot,
    organization: OrganizationSnapshot,
    *,
    proof_ends_at: float | None,
    address: str | None,
    now: float,
) -> Code:
    """VALID, or the first reason why not; ``proof_ends_at`` is the end of the secret that was presented."""
    if client.is_compromised:
        return Code.COMPROMISED
    if client.is_revoked:
        return Code.REVOKED
    if client.is_disabled:
        return Code.DISABLED
    if proof_ends_at is not None and proof_ends_at <= now:
        return Code.SUPERSEDED
    if organization.is_suspended:
        return Code.ORGANIZATION_SUSPENDED
    if client.networks and not is_within(address, client.networks):
        return Code.IP_DENIED
    return Code.VALID
