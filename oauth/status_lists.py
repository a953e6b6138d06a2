"""Make Token Status Lists: what is said of each token that is out, signed, for whoever verifies tokens offline."""

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
from oauth.protocol.status_list import AGGREGATION_PATH, BITS, LIST_SIZE, Span, Status, packed

TYPE = "statuslist+jwt"
TTL_S = 60  # for how long a verifier may keep it, if it asks no sooner
EXPIRES_S = 3600
# By then every token with a place in it has expired.
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


class Facts(NamedTuple):
    """What the database says of the tokens of a list, as far as they are not valid."""

    seed: bytes
    spans: tuple[Span, ...]
    revoked: tuple[int, ...]


class Content(NamedTuple):
    """A list as it was built, and the facts that it was built of."""

    facts: Facts
    lst: str
    digest: str


class Served(NamedTuple):
    """A signed list as it is sent."""

    etag: str
    text: bytes
    gzipped: bytes


class ListMember(Struct, frozen=True):
    """The list itself."""

    bits: int
    lst: str
    aggregation_uri: str


class ListClaims(Struct, frozen=True):
    """What a Status List Token says (Token Status List, "Status List Token in JWT Format")."""

    iss: str
    sub: str
    iat: int
    exp: int
    ttl: int
    status_list: ListMember


def address_of(number: int) -> str:
    """Where a list is served, as tokens name it."""
    return f"{settings.PUBLIC_URL}{AGGREGATION_PATH}/{number}"


def read_numbers() -> frozenset[int]:
    """The lists that a token may be in that has not expired."""
    now = timezone.now()
    live = StatusBlock.objects.filter(ends_at__gt=now).order_by().values_list("status_list", flat=True)
    struck = StatusList.objects.filter(struck_at__gt=now - STRUCK_FOR).values_list("pk", flat=True)
    return frozenset(live.distinct()) | frozenset(struck)


def read_facts(number: int) -> Facts:
    """What is to be said in a list that exists."""
    listed = StatusList.objects.get(pk=number)
    if listed.struck_at is not None:
        return Facts(bytes(listed.seed), (Span(0, LIST_SIZE, Status.INVALID),), ())
    # Before the blocks: revoking all raises the generation and drops these rows in one commit, and one of two is seen.
    revoked = tuple(RevokedToken.objects.filter(status_list=number).order_by("index").values_list("index", flat=True))
    is_granted = Exists(Grant.objects.filter(client=OuterRef("client"), api=OuterRef("api")))
    is_of_dropped_key = Q(signing_key__kept_until__lte=timezone.now())
    status = Case(
        When(_INVALID | is_of_dropped_key, then=Value(Status.INVALID)),
        When(_SUSPENDED, then=Value(Status.SUSPENDED)),
        default=Value(Status.VALID),
    )
    blocks = StatusBlock.objects.filter(status_list=number).alias(is_granted=is_granted).annotate(status=status)
    spans = blocks.exclude(status=Status.VALID).order_by("first").values_list("first", "count", "status")
    return Facts(bytes(listed.seed), tuple(Span(*span) for span in spans), revoked)


def build(facts: Facts) -> Content:
    """The list that says so; where all of a million tokens are refused 0.6 s of one core at first, then 0.05 s."""
    compressed = zlib.compress(packed(facts.spans, facts.revoked, seed=facts.seed), 9)
    lst = base64.urlsafe_b64encode(compressed).rstrip(b"=").decode()
    return Content(facts, lst, sha256(compressed).hexdigest()[:32])


def signed(number: int, content: Content, signer: Signer, *, iat: int, etag: str) -> Served:
    """The list as a JWT."""
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
