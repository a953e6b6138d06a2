"""Build what answers at the OAuth endpoints in a process, over the process's hot path."""

from dataclasses import dataclass, field
from functools import cache

from keys.validation import wiring
from keys.validation.wiring import HotPath
from oauth.client_auth import ClientAuthenticator
from oauth.endpoints.introspection import Introspector
from oauth.endpoints.published_keys import Published
from oauth.endpoints.revocation import Revoker
from oauth.endpoints.token import Issuer, StatusIndexes
from oauth.replays import Replays, replays
from oauth.status_leases import LEASES
from oauth.status_serving import Lists


@dataclass(eq=False)
class OAuthServer:
    """The parts behind the OAuth endpoints of a process."""

    hot_path: HotPath
    replays: Replays
    status_indexes: StatusIndexes = LEASES
    clients: ClientAuthenticator = field(init=False)
    issuer: Issuer = field(init=False)
    introspector: Introspector = field(init=False)
    revoker: Revoker = field(init=False)
    published: Published = field(init=False)
    lists: Lists = field(init=False)

    def __post_init__(self) -> None:
        parts, snapshots = self.hot_path, self.hot_path.snapshots
        self.clients = ClientAuthenticator(snapshots, self.replays, parts.usage, parts.pepper_rotator)
        self.issuer = Issuer(self.clients, snapshots, self.status_indexes)
        self.introspector = Introspector(parts.engine, self.clients)
        self.revoker = Revoker(self.clients, snapshots)
        self.published = Published(snapshots)
        self.lists = Lists(snapshots)

    def stop(self) -> None:
        """Stop the threads."""
        self.revoker.stop()
        self.lists.stop()


@cache
def server_over(hot_path: HotPath) -> OAuthServer:
    """Return the server over this hot path, built once."""
    return OAuthServer(hot_path, replays(hot_path.link))


def server() -> OAuthServer:
    """Return the server of this process."""
    return server_over(wiring.hot_path())


async def tend_replays() -> None:
    """Begin the memory of used assertions when the process serves, and anew whenever Redis has lost it."""
    await server().replays.tend()


def stop() -> None:
    """Stop the threads of this process's server."""
    server().stop()
