"""Count the bytes that a process buffers for clients: incomplete request bodies and unread responses."""

from collections import Counter

from portal.edge.proxies import network_of

TOTAL_BYTES = 64 * 2**20
SHARE_BYTES = TOTAL_BYTES // 4  # per client: an IPv4 address, or an IPv6 /64 network


class OverBudget(Exception):
    """The process, or this client, has reached its limit of buffered bytes."""


class ByteBudget:
    """The bytes buffered now, in total and per client. For use on one event loop."""

    def __init__(self, total_bytes: int = TOTAL_BYTES, share_bytes: int = SHARE_BYTES) -> None:
        self._total_bytes = total_bytes
        self._share_bytes = share_bytes
        self._held = 0
        self._held_by: Counter[str] = Counter()

    @property
    def held(self) -> int:
        return self._held

    def take(self, address: str | None, size: int) -> None:
        """Reserve ``size`` more bytes for this client; raise OverBudget, and reserve nothing, past a limit."""
        client = network_of(address)
        if self._held + size > self._total_bytes or self._held_by[client] + size > self._share_bytes:
            raise OverBudget
        self._held += size
        self._held_by[client] += size

    def give_back(self, address: str | None, size: int) -> None:
        """Release bytes that were reserved before."""
        client = network_of(address)
        self._held -= size
        self._held_by[client] -= size
        if not self._held_by[client]:
            del self._held_by[client]


BUDGET = ByteBudget()
