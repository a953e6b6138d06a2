"""Build and sign Token Status Lists: the status of every issued token, for services that verify tokens offline."""

import base64
import gzip
import zlib
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone
from msgspec import Struct

from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S
from oauth.models import CLOCKS_DIFFER, Grant, RevokedToken, StatusBlock, StatusList
from oauth.protocol.access_token import Signer, mint
from oauth.protocol.status_list import AGGREGATION_PATH, BITS, LIST_SIZE, SlotSpan, TokenStatus, packed

TYPE = "statuslist+jwt"
TTL_S = 60  # how long a verifier may use its copy of a list before it has to fetch the list again
EXPIRES_S = 3600
# After this time every token with an index in a struck list has expired.
STRUCK_FOR = timedelta(seconds=MAX_TOKEN_LIFETIME_S) + 2 * CLOCKS_DIFFER
_INVALID = (
    Q(client__revoked_at__isnull=False)
    | Q(generation__lt=F("client__generation"))
    | Q(is_granted=False)
    | Q(client__organization__closed_at__isnull=False)
)
_SUSPENDED = (
    Q(client__disabled_at__isnull=False)
    | Q(client__organization__suspended_at__isnull=False)
    | Q(api__disabled_at__isnull=False)
)


class StatusListFacts(NamedTuple):
    """The statuses in a list that are not VALID, as read from the database."""

    seed: bytes
    spans: tuple[SlotSpan, ...]
    revoked: tuple[int, ...]


class Content(NamedTuple):
    """An encoded list, with the facts that it was built from."""

    facts: StatusListFacts
    lst: str
    digest: str


class Served(NamedTuple):
    """A signed list as it is served, plain and gzipped."""

    etag: str
    text: bytes
    gzipped: bytes


class ListMember(Struct, frozen=True):
    """The claim ``status_list``: the encoded list."""

    bits: int
    lst: str
    aggregation_uri: str


class ListClaims(Struct, frozen=True):
    """The claims of a Status List Token (Token Status List, "Status List Token in JWT Format")."""

    iss: str
    sub: str
    iat: int
    exp: int
    ttl: int
    status_list: ListMember


def address_of(number: int) -> str:
    """The address of a list, as in the ``status`` claim of tokens."""
    return f"{settings.PUBLIC_URL}{AGGREGATION_PATH}/{number}"


def read_numbers() -> frozenset[int]:
    """The numbers of the lists that may have a token that has not expired."""
    now = timezone.now()
    live = StatusBlock.objects.filter(ends_at__gt=now).order_by().values_list("status_list", flat=True)
    struck = StatusList.objects.filter(struck_at__gt=now - STRUCK_FOR).values_list("pk", flat=True)
    return frozenset(live.distinct()) | frozenset(struck)


def read_facts(number: int) -> StatusListFacts:
    """Read the facts of an existing list from the database."""
    listed = StatusList.objects.get(pk=number)
    if listed.struck_at is not None:
        return StatusListFacts(bytes(listed.seed), (SlotSpan(0, LIST_SIZE, TokenStatus.INVALID),), ())
    # Read these rows before the blocks. Revoking all tokens deletes them and raises the generation in one commit. In
    # the other order a read could miss both, and a revoked token would look valid.
    revoked = tuple(RevokedToken.objects.filter(status_list=number).order_by("index").values_list("index", flat=True))
    is_granted = Exists(Grant.objects.filter(client=OuterRef("client"), api=OuterRef("api")))
    is_of_dropped_key = Q(signing_key__kept_until__lte=timezone.now())
    status = Case(
        When(_INVALID | is_of_dropped_key, then=Value(TokenStatus.INVALID)),
        When(_SUSPENDED, then=Value(TokenStatus.SUSPENDED)),
        default=Value(TokenStatus.VALID),
    )
    blocks = StatusBlock.objects.filter(status_list=number).alias(is_granted=is_granted).annotate(status=status)
    spans = blocks.exclude(status=TokenStatus.VALID).order_by("first").values_list("first", "count", "status")
    return StatusListFacts(bytes(listed.seed), tuple(SlotSpan(*span) for span in spans), revoked)


def build(facts: StatusListFacts) -> Content:
    """Encode the list. With all of a million tokens refused this takes 0.6 s of one core at first, later 0.05 s."""
    compressed = zlib.compress(packed(facts.spans, facts.revoked, seed=facts.seed), 9)
    lst = base64.urlsafe_b64encode(compressed).rstrip(b"=").decode()
    return Content(facts, lst, sha256(compressed).hexdigest()[:32])


def signed(number: int, content: Content, signer: Signer, *, iat: int, etag: str) -> Served:
    """Sign the list as a JWT."""
    claims = ListClaims(
        iss=settings.PUBLIC_URL,
        sub=address_of(number),
        iat=iat,
        exp=iat + EXPIRES_S,
        ttl=TTL_S,
        status_list=ListMember(BITS, content.lst, f"{settings.PUBLIC_URL}{AGGREGATION_PATH}"),
    )
    text = mint(signer, claims).encode()
    return Served(etag, text, gzip.compress(text, 6, mtime=0))
