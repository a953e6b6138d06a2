"""Who a request comes from, and over what, behind proxies. Pure.

``X-Forwarded-For`` and ``X-Forwarded-Proto`` are words of whoever sent them: they count only as far as the trusted
networks reach, and with none set they mean nothing. ``Forwarded`` is never read.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_ADDRESS_CHARS = 80
# [2001:db8::7], [2001:db8::7%eth0]:5678, 203.0.113.7:5678, fe80::1%eth0
_V6 = "([0-9A-Fa-f]*:[0-9A-Fa-f:.]*)"
_DECORATED = re.compile(rf"\[{_V6}(?:%[^\]]+)?\](?::[0-9]{{1,5}})?|([0-9.]+):[0-9]{{1,5}}|{_V6}%[^\]]+", re.ASCII)


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """The address that the text spells, an IPv4-mapped one as IPv4; None for all else, also for a zone (``%eth0``)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address


def forwarded_address(text: str) -> Address | None:
    """The address that a proxy or a backend wrote down: in brackets, with a port or with a zone too.

    None for all else. Long texts are not remembered: a caller chooses them.
    """
    return _read_forwarded(text) if len(text) <= MAX_ADDRESS_CHARS else None


@lru_cache(maxsize=4096)
def _read_forwarded(text: str) -> Address | None:
    match = _DECORATED.fullmatch(text)
    return parse_address(text if match is None else next(filter(None, match.groups())))


def canonical_address(text: str) -> str | None:
    """The same address, in the one form that it is stored and compared in; None for what is no address."""
    return _canonical(text) if len(text) <= MAX_ADDRESS_CHARS else None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    address = forwarded_address(text)
    return None if address is None else str(address)


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """What one client is counted by: its IPv4 address, or the 64-bit network of its IPv6 address; "" for none."""
    parsed = parse_address(address or "")
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return "" if parsed is None else str(parsed)


def parse_network(text: str) -> Network:
    """The network that the text spells, an IPv4-mapped one as IPv4, which is how addresses come; raises ValueError."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv4Network):
        return network
    if network.network_address.scope_id:
        raise ValueError("a network has no zone")
    mapped = network.network_address.ipv4_mapped
    # The mapped range is a /96: what begins in it and is wider has host bits set, and was refused above.
    return network if mapped is None else ipaddress.IPv4Network((mapped, network.prefixlen - 96))


def client_address(peer: str | None, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str | None:
    """The address the request comes from: walk from the peer through ``X-Forwarded-For``, right to left, while trusted.

    ``forwarded_for`` holds the header's lines in order. Where a trusted proxy wrote something that is no address, the
    proxy itself counts as the client.
    """
    if not trusted:
        return canonical_address(peer or "")
    client = parse_address(peer or "")
    if client is None:
        return None
    if not _is_trusted(client, trusted):
        return str(client)
    for text in reversed(",".join(forwarded_for).split(",")):
        forwarded = forwarded_address(text.strip())
        if forwarded is None:
            break
        client = forwarded
        if not _is_trusted(client, trusted):
            break
    return str(client)


def is_https(scheme: str, peer: str | None, forwarded_proto: str | None, trusted: Sequence[Network]) -> bool:
    """Whether the client spoke https: a trusted peer's ``X-Forwarded-Proto`` decides, else the connection's own scheme.

    Of several values every one must be https, since the outer ones may be the client's own words.
    """
    address = parse_address(peer or "")
    if forwarded_proto is None or address is None or not _is_trusted(address, trusted):
        return scheme == "https"
    return all(value.strip().lower() == "https" for value in forwarded_proto.split(","))


def is_within(peer: str | None, networks: Sequence[Network]) -> bool:
    """Whether the peer's own address is in one of the networks."""
    address = parse_address(peer or "")
    return address is not None and _is_trusted(address, networks)


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
