"""How many addresses networks hold together. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from portal.edge.proxies import parse_network


@dataclass(frozen=True)
class Size:
    """How many addresses of each kind."""

    ipv4: int
    ipv6: int


@dataclass(frozen=True)
class WidestPrefixes:
    """The shortest prefix of each kind that networks may come to, all of them together."""

    ipv4: int = 8
    ipv6: int = 32

    def allows(self, networks: Iterable[str]) -> bool:
        """Whether the networks hold no more addresses than one network of this prefix, in each kind."""
        size = size_of(networks)
        return size.ipv4 <= 1 << (32 - self.ipv4) and size.ipv6 <= 1 << (128 - self.ipv6)

    def __str__(self) -> str:
        return f"a /{self.ipv4} of IPv4 and a /{self.ipv6} of IPv6"


def size_of(networks: Iterable[str]) -> Size:
    """How many addresses the networks hold together, each counted once; an IPv4-mapped one is IPv4."""
    parsed = [parse_network(network) for network in networks]
    ipv4 = ipaddress.collapse_addresses(each for each in parsed if isinstance(each, ipaddress.IPv4Network))
    ipv6 = ipaddress.collapse_addresses(each for each in parsed if isinstance(each, ipaddress.IPv6Network))
    return Size(sum(each.num_addresses for each in ipv4), sum(each.num_addresses for each in ipv6))
