"""Count the bytes that a process holds for clients: bodies that still arrive, and answers that are not read yet."""

from collections import Counter

from portal.edge.proxies import network_of

TOTAL_BYTES = 64 * 2**20
SHARE_BYTES = TOTAL_BYTES // 4  # of one client: an IPv4 address, or an IPv6 network of 64 bits


class OverBudget(Exception):
    """The process, or this client, holds as many bytes as it may."""


class ByteBudget:
    """The bytes held now, in all and by client. For one event loop."""

    def __init__(self, total_bytes: int = TOTAL_BYTES, share_bytes: int = SHARE_BYTES) -> None:
        self._total_bytes = total_bytes
        self._share_bytes = share_bytes
        self._held = 0
        self._held_by: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """The bytes that are held."""
        return self._held

    def take(self, address: str | None, size: int) -> None:
        """Count ``size`` bytes more for this client; raises OverBudget and counts nothing."""
        client = network_of(address)
        if self._held + size > self._total_bytes or self._held_by[client] + size > self._share_bytes:
            raise OverBudget
        self._held += size
        self._held_by[client] += size

    def give_back(self, address: str | None, size: int) -> None:
        """The bytes are no longer held."""
        client = network_of(address)
        self._held -= size
        self._held_by[client] -= size
        if not self._held_by[client]:
            del self._held_by[client]


BUDGET = ByteBudget()
