"""Count the addresses of several networks together. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from portal.edge.proxies import parse_network


@dataclass(frozen=True)
class Size:
    """The number of IPv4 and of IPv6 addresses."""

    ipv4: int
    ipv6: int


@dataclass(frozen=True)
class WidestPrefixes:
    """The most addresses that a set of networks may contain, given as one prefix length per IP version."""

    ipv4: int = 8
    ipv6: int = 32

    def allows(self, networks: Iterable[str]) -> bool:
        """Tell whether the networks contain no more addresses than one network of each prefix."""
        size = size_of(networks)
        return size.ipv4 <= 1 << (32 - self.ipv4) and size.ipv6 <= 1 << (128 - self.ipv6)

    def __str__(self) -> str:
        return f"a /{self.ipv4} of IPv4 and a /{self.ipv6} of IPv6"


def size_of(networks: Iterable[str]) -> Size:
    """Count the addresses of all networks, each address once; an IPv4-mapped network counts as IPv4."""
    parsed = [parse_network(network) for network in networks]
    ipv4 = ipaddress.collapse_addresses(each for each in parsed if isinstance(each, ipaddress.IPv4Network))
    ipv6 = ipaddress.collapse_addresses(each for each in parsed if isinstance(each, ipaddress.IPv6Network))
    return Size(sum(each.num_addresses for each in ipv4), sum(each.num_addresses for each in ipv6))
