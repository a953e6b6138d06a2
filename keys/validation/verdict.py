"""Decide whether an API key may make a call. No clock, no database, no Redis.

The first failing check gives the code, in the order written here. Limits are applied afterwards, because a refused call
must spend nothing.
"""

from functools import lru_cache

from keys.validation.principals import principal_of
from keys.validation.types import (
    ApiSecretSnapshot,
    ApiSnapshot,
    Audience,
    Call,
    Code,
    KeySnapshot,
    OrganizationSnapshot,
    Verdict,
)
from portal.edge.proxies import Network, parse_address, parse_network

NOT_FOUND = Verdict(Code.NOT_FOUND)
MALFORMED = Verdict(Code.MALFORMED)


def decide(
    key: KeySnapshot | None,
    api: ApiSnapshot | None,
    organization: OrganizationSnapshot | None,
    call: Call,
    audience: Audience | None,
    *,
    now: float,
) -> Verdict:
    """Decide on a well-formed key, before any limit.

    Without an audience (whoami) the key is accepted for any API and environment.
    """
    if key is None or api is None or organization is None or not is_for(key, audience):
        return NOT_FOUND
    principal = principal_of(key, api, organization)
    missing = call.scopes.difference(principal.scopes)
    code = _first_refusal(key, api, organization, call, is_missing_scope=bool(missing), now=now)
    return Verdict(code, principal, tuple(sorted(missing)) if code is Code.INSUFFICIENT_SCOPE else ())


def works(secret: ApiSecretSnapshot, api: ApiSnapshot | None, *, now: float) -> bool:
    """Tell whether the API secret may authenticate a caller."""
    if api is None or api.is_disabled or secret.is_revoked or secret.is_disabled:
        return False
    return not _is_over(secret.ends_at, now)


def is_for(key: KeySnapshot, audience: Audience | None) -> bool:
    """Tell whether the key belongs to the audience's API and environment; without an audience (whoami), True."""
    return audience is None or (key.api_id == audience.api_id and key.environment == audience.environment)


def last_refusal(
    organization: OrganizationSnapshot,
    networks: tuple[str, ...],
    address: str | None,
    *,
    is_missing_scope: bool = False,
) -> Code:
    """Run the last checks, the same for each credential type: organization, source address, scopes."""
    if organization.is_suspended:
        return Code.ORGANIZATION_SUSPENDED
    if networks and not _is_within(address, networks):
        return Code.IP_DENIED
    return Code.INSUFFICIENT_SCOPE if is_missing_scope else Code.VALID


def _first_refusal(
    key: KeySnapshot,
    api: ApiSnapshot,
    organization: OrganizationSnapshot,
    call: Call,
    *,
    is_missing_scope: bool,
    now: float,
) -> Code:
    if key.is_compromised:
        return Code.COMPROMISED
    if key.is_revoked:
        return Code.REVOKED
    if key.is_disabled or api.is_disabled:
        return Code.DISABLED
    if key.not_before is not None and now < key.not_before:
        return Code.NOT_YET_VALID
    if _is_over(key.expires_at, now):
        return Code.EXPIRED
    if _is_over(key.secret_ends_at, now):
        return Code.SUPERSEDED
    return last_refusal(organization, key.networks, call.address, is_missing_scope=is_missing_scope)


def _is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """Tell whether the networks include the address."""
    # Refuse a call without an address: a backend that forgets to send `ip` must not open the key to every network.
    parsed = None if address is None else parse_address(address)
    return parsed is not None and any(parsed in network for network in _parsed(networks))


def _is_over(end: float | None, now: float) -> bool:
    return end is not None and end <= now


@lru_cache(maxsize=1024)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse the networks. Without the cache, a warm validation of a key with one network takes 9 % more CPU time."""
    return tuple(parse_network(network) for network in networks)
