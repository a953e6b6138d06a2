"""Search, filter, sort and page through credentials; the same for API keys and OAuth clients."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic

from django.core import signing
from django.db.models import Case, Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import OrderBy
from django.db.models.functions import Cast
from django.db.models.lookups import Contains, In

from keys.models import Credential, RevokeReason
from keys.rules.secret import SecretKind, kind_of
from keys.rules.states import EXPIRES_SOON, IDLE_AFTER, NEVER_USED_AFTER, CredentialStatus
from keys.services.credential_type import Row
from keys.validation.peppers import candidate_digests
from portal.names import normal_name
from portal.redaction import cut_secrets

PAGE_SIZE = 50
MAX_COUNTED = 10_000
MAX_SEARCH_CHARS = 100
CURSOR_SALT = "keys.listing"
_OF_WHAT_ENDS = frozenset({CredentialStatus.SCHEDULED, CredentialStatus.EXPIRED, CredentialStatus.EXPIRES_SOON})


class Sort(StrEnum):
    """The order of a list: a column, in the direction that most people want first, or with a minus in the other."""

    CREATED = "created"
    LAST_USED = "last_used"
    EXPIRES = "expires"
    NAME = "name"
    OLDEST = "-created"
    LONGEST_UNUSED = "-last_used"
    EXPIRES_LAST = "-expires"
    NAME_DESCENDING = "-name"

    @property
    def column(self) -> str:
        """The column that the list is ordered by."""
        return self.value.lstrip("-")

    @property
    def opposite(self) -> "Sort":
        """The same column in the other direction."""
        return Sort(self.column if self.value.startswith("-") else f"-{self.value}")


class LastUsed(StrEnum):
    """When a credential was last used."""

    DAY = "1d"
    WEEK = "7d"
    MONTH = "30d"
    LONGER_AGO = "longer"
    NEVER = "never"


class Expires(StrEnum):
    """When a credential will expire."""

    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    NEVER = "never"


@dataclass(frozen=True)
class ListingFilter:
    """The filters that a person set; an empty value means all."""

    text: str = ""
    status: CredentialStatus | None = None
    scope: str = ""
    environment: str = ""
    owner: str = ""
    api: str = ""
    last_used: LastUsed | None = None
    expires: Expires | None = None
    sort: Sort = Sort.CREATED


@dataclass(frozen=True)
class CredentialPage(Generic[Row]):
    """At most 50 credentials, and the cursor of the next page; the cursor is empty on the last page."""

    rows: Sequence[Row]
    next_cursor: str


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """One credential type, for lists.

    ``secrets`` are all its secrets, of ``kinds``; each refers to its credential by ``owner_field``. ``api`` is the
    query path to its APIs, with at most one row per API. ``having_scopes`` finds a text in its scopes as stored, a JSON
    list.
    """

    secrets: QuerySet[Any]
    owner_field: str
    kinds: frozenset[SecretKind]
    api: str
    having_scopes: Callable[[str], Q]
    is_paused: Q
    has_end: bool

    @property
    def statuses(self) -> list[CredentialStatus]:
        """The statuses that its pages may show."""
        return [status for status in CredentialStatus if self.has_end or status not in _OF_WHAT_ENDS]

    @property
    def sorts(self) -> list[Sort]:
        """The orders that its lists offer."""
        return [sort for sort in Sort if self.has_end or sort.column != Sort.EXPIRES]

    def find_by_secret(self, rows: QuerySet[Row], text: str) -> Row | None:
        """Find the credential of this secret, whether or not they still work; None if the text is of another type."""
        if kind_of(text) not in self.kinds:
            return None
        return rows.filter(secrets__digest__in=candidate_digests(text)).first()

    def matching(self, rows: QuerySet[Row], wanted: ListingFilter, *, now: datetime) -> QuerySet[Row]:
        """Filter the rows."""
        if wanted.text:
            hinted = self._secrets().filter(hint__contains=wanted.text)
            rows = rows.filter(
                Q(name__icontains=wanted.text)
                | Q(public_id=wanted.text)
                | self.having_scopes(wanted.text)
                | Q(Exists(hinted))
            )
        if wanted.scope:
            rows = rows.filter(self.having_scopes(f'"{wanted.scope}"'))
        if wanted.environment:
            rows = rows.filter(environment=wanted.environment)
        if wanted.owner:
            rows = rows.filter(Q(owner__public_id=wanted.owner) | Q(service_account__public_id=wanted.owner))
        if wanted.api:
            rows = rows.filter(**{f"{self.api}__public_id": wanted.api})
        if wanted.last_used:
            rows = rows.filter(_was_used(wanted.last_used, now))
        if wanted.expires:
            rows = rows.filter(_will_expire(wanted.expires, now))
        return self.having_status(rows, [wanted.status], now=now) if wanted.status else rows

    def having_status(
        self, rows: QuerySet[Row], statuses: Sequence[CredentialStatus], *, now: datetime
    ) -> QuerySet[Row]:
        """Keep the rows that have one of these statuses now."""
        return rows.filter(In(self._status(now), [status.value for status in statuses]))

    def count_by_status(self, rows: QuerySet[Row], *, now: datetime) -> Counter[str]:
        """Count the rows of each status that they have now."""
        counted = rows.order_by().values_list(self._status(now)).annotate(Count("pk"))
        return Counter(dict(counted))

    def with_working_secrets(self, rows: QuerySet[Row], *, now: datetime) -> QuerySet[Row]:
        """Load each row's secrets that have not ended as ``working_secrets``, newest first."""
        working = self.secrets.filter(Q(ends_at=None) | Q(ends_at__gt=now)).order_by("-pk")
        return rows.prefetch_related(Prefetch("secrets", working, to_attr="working_secrets"))

    def page(self, rows: QuerySet[Row], *, sort: Sort, after: str, now: datetime) -> CredentialPage[Row]:
        """Return the page after the cursor, with working secrets; a cursor not signed by us gives the first page."""
        order = _ORDERS[sort]
        if after:
            rows = rows.filter(order.after(after))
        found = list(self.with_working_secrets(rows, now=now).order_by(*order.by())[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        return CredentialPage(shown, order.cursor(shown[-1]) if len(found) > PAGE_SIZE else "")

    def _secrets(self) -> QuerySet[Any]:
        return self.secrets.filter(**{self.owner_field: OuterRef("pk")})

    def _status(self, now: datetime) -> Case:
        """``keys.rules.states.status`` as SQL; a test checks that both agree."""
        secrets = self._secrets()
        retiring = Exists(secrets.filter(ends_at=None)) & Exists(secrets.filter(ends_at__gt=now))
        ladder: list[tuple[CredentialStatus, Q]] = [
            (CredentialStatus.LEAKED, Q(revoke_reason=RevokeReason.LEAKED)),
            (CredentialStatus.REVOKED, Q(revoked_at__isnull=False)),
            (CredentialStatus.PAUSED, self.is_paused),
            (CredentialStatus.SCHEDULED, Q(not_before__gt=now)),
            (CredentialStatus.EXPIRED, Q(expires_at__lte=now)),
            (CredentialStatus.SUSPENDED, Q(organization__suspended_at__isnull=False)),
            (CredentialStatus.RETIRING, Q(retiring)),
            (CredentialStatus.EXPIRES_SOON, Q(expires_at__lte=now + EXPIRES_SOON)),
            (CredentialStatus.NEVER_USED, Q(last_used_at=None, created_at__lte=now - NEVER_USED_AFTER)),
            (CredentialStatus.IDLE, Q(last_used_at__lte=now - IDLE_AFTER)),
        ]
        known = self.statuses
        return Case(
            *(When(condition, then=Value(status.value)) for status, condition in ladder if status in known),
            default=Value(CredentialStatus.ACTIVE.value),
            output_field=TextField(),
        )


def is_whole_secret(text: str) -> bool:
    """Tell whether the text is a well-formed secret: it is looked up by digest, and never searched for as text."""
    return kind_of(text) is not None


def searchable(text: str) -> str:
    """Normalize the text for a URL; a secret in it is cut to as much as its hint shows."""
    return cut_secrets(normal_name(text))[:MAX_SEARCH_CHARS]


def scopes_contain(text: str) -> Contains:
    """Condition that the ``scopes`` column contains the text."""
    # Compared as text, because SQLite cannot look into a JSON list. No scope contains a quote or a backslash.
    return Contains(Cast("scopes", TextField()), text)


def count(rows: QuerySet[Row]) -> int:
    """Count the rows; counting stops above 10,000."""
    return rows.order_by()[: MAX_COUNTED + 1].count()


def count_words(total: int) -> str:
    """Return ``1,213``, or ``10,000+`` for a count that stopped."""
    return f"{MAX_COUNTED:,}+" if total > MAX_COUNTED else f"{total:,}"


def match_words(total: int, noun: str) -> str:
    """Return ``shown, 14 keys match``: what follows the number of rows if some of them may match no more."""
    return f"shown, {count_words(total)} {noun} matches" if total == 1 else f"shown, {count_words(total)} {noun}s match"


_LENGTHS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}


def _was_used(wanted: LastUsed, now: datetime) -> Q:
    if wanted is LastUsed.NEVER:
        return Q(last_used_at=None)
    if wanted is LastUsed.LONGER_AGO:
        return Q(last_used_at__lt=now - _LENGTHS[LastUsed.MONTH])
    return Q(last_used_at__gte=now - _LENGTHS[wanted])


def _will_expire(wanted: Expires, now: datetime) -> Q:
    if wanted is Expires.NEVER:
        return Q(expires_at=None)
    return Q(expires_at__gt=now, expires_at__lte=now + _LENGTHS[wanted])


@dataclass(frozen=True)
class _Order:
    """A column and a direction. Empty values come last; equal values are ordered by id."""

    field: str
    descends: bool = False
    may_be_empty: bool = False

    def by(self) -> tuple[OrderBy, OrderBy]:
        # On a column that is never empty, "nulls last" would keep PostgreSQL from using its index.
        nulls_last = True if self.may_be_empty else None
        if self.descends:
            return (F(self.field).desc(nulls_last=nulls_last), F("public_id").desc())
        return (F(self.field).asc(nulls_last=nulls_last), F("public_id").asc())

    def cursor(self, row: Credential) -> str:
        # Signed, so that a cursor that comes back can only be a value of this column.
        value = getattr(row, self.field)
        text = value.isoformat() if isinstance(value, datetime) else value
        return signing.dumps([self._name, text, row.public_id], salt=CURSOR_SALT)

    def after(self, cursor: str) -> Q:
        try:
            name, value, public_id = signing.loads(cursor, salt=CURSOR_SALT)
        except signing.BadSignature:
            return Q()
        if name != self._name:
            return Q()
        beyond = "lt" if self.descends else "gt"
        further = Q(**{self.field: value, f"public_id__{beyond}": public_id})
        if value is None:
            return further
        further |= Q(**{f"{self.field}__{beyond}": value})
        return further | Q(**{self.field: None}) if self.may_be_empty else further

    @property
    def _name(self) -> str:
        return f"-{self.field}" if self.descends else self.field


_ORDERS = {
    Sort.LAST_USED: _Order("last_used_at", descends=True, may_be_empty=True),
    Sort.CREATED: _Order("created_at", descends=True),
    Sort.EXPIRES: _Order("expires_at", may_be_empty=True),
    Sort.NAME: _Order("name"),
}
_ORDERS |= {sort.opposite: replace(order, descends=not order.descends) for sort, order in _ORDERS.items()}


def descends(sort: Sort) -> bool:
    """Return True if the order begins with the greatest value: the newest, the last to expire, or Z."""
    return _ORDERS[sort].descends
