"""Limits on the cost of one request. Each endpoint declares its own; the edge and the tests enforce them.

The edge enforces ``max_bytes``, ``plain_http`` and the number of concurrent requests. The endpoint itself does the
checks in ``checked_first`` before it reads the body. ``max_cpu_ms`` limits the CPU time, on one core, of the most
expensive request that a stranger can send.
"""

from enum import Enum

from msgspec import Struct

MAX_FORM_BYTES = 64 * 1024


class Sender(Enum):
    """The senders whose requests an endpoint accepts; it refuses all others."""

    ANYBODY = "anybody"
    API = "an API, by an API secret"
    CREDENTIAL = "who holds a credential, about itself"
    CLIENT = "an OAuth client, by its secret or an assertion"
    CLIENT_OR_API = "an OAuth client or an API"
    OPERATOR = "who holds the metrics token"


class PlainHttp(Enum):
    """Where a request without https is accepted in production."""

    NOWHERE = "nowhere"
    INSIDE = "on a direct connection from a network that the settings name"
    ANYWHERE = "anywhere"


class Bounds(Struct, frozen=True):
    """The limits of one endpoint."""

    sender: Sender
    max_bytes: int  # of the body; 0 if the endpoint reads none
    checked_first: str
    max_cpu_ms: float
    plain_http: PlainHttp = PlainHttp.NOWHERE


PUBLIC_DOCUMENT = Bounds(Sender.ANYBODY, 0, "method", 2, PlainHttp.INSIDE)
