"""Which keys a list shows, in which order, page by page. Reading starts from who may see."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.core import signing
from django.db.models import Case, Exists, F, OuterRef, Prefetch, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import OrderBy
from django.db.models.functions import Cast
from django.db.models.lookups import Contains

from keys.models import ApiKey, KeySecret, RevokeReason
from keys.secret import RANDOM_CHARS, Kind, kind_of
from keys.states import EXPIRES_SOON, IDLE_AFTER, NEVER_USED_AFTER, Status
from keys.validation.peppers import candidate_digests
from portal.models import Organization

PAGE_SIZE = 50
MAX_COUNTED = 10_000
MAX_SEARCH_CHARS = 100
CURSOR_SALT = "keys.key_list"
# The head of a key as its hint shows it, and the rest, which no address may hold; nor a long part without its head.
_BEGINNING = re.compile(r"([a-z0-9]{2,12}_(?:live|test|cs|api)_[0-9A-Za-z]{4})[0-9A-Za-z]+", re.ASCII)
_LONG_PART = re.compile(rf"([0-9A-Za-z]{{4}})[0-9A-Za-z]{{{RANDOM_CHARS - 4},}}", re.ASCII)


class Sort(StrEnum):
    """What a list of keys is ordered by."""

    LAST_USED = "last_used"
    CREATED = "created"
    EXPIRES = "expires"
    NAME = "name"


@dataclass(frozen=True)
class Wanted:
    """What a person asked to see; everything empty means all keys."""

    text: str = ""
    status: Status | None = None
    scope: str = ""
    environment: str = ""
    owner: str = ""
    api: str = ""
    sort: Sort = Sort.CREATED


@dataclass(frozen=True)
class Page:
    """At most 50 keys, and where the next ones begin; empty where there are none."""

    keys: Sequence[ApiKey]
    next_cursor: str


def visible_keys(organization: Organization) -> QuerySet[ApiKey]:
    """The keys that members of the organization may see."""
    keys = ApiKey.objects.filter(organization=organization)
    return keys.select_related("organization", "api", "owner", "service_account")


def find_by_secret(text: str, organization: Organization) -> ApiKey | None:
    """The organization's key that has this secret, whatever became of either; None also for what is no secret."""
    if kind_of(text) not in {Kind.LIVE, Kind.TEST}:
        return None
    return visible_keys(organization).filter(secrets__digest__in=candidate_digests(text)).first()


def is_whole_secret(text: str) -> bool:
    """Whether the text is a well-formed secret, which is looked up by digest and never searched for."""
    return kind_of(text) is not None


def searchable(text: str) -> str:
    """The text as an address may hold it: of what begins or looks like a secret, only as much as its hint shows."""
    return _LONG_PART.sub(r"\1", _BEGINNING.sub(r"\1", text.strip()))[:MAX_SEARCH_CHARS]


def matching(keys: QuerySet[ApiKey], wanted: Wanted, *, now: datetime) -> QuerySet[ApiKey]:
    """Those of the keys that are wanted."""
    if wanted.text:
        hinted = KeySecret.objects.filter(key=OuterRef("pk"), hint__contains=wanted.text)
        keys = keys.filter(
            Q(name__icontains=wanted.text)
            | Q(public_id=wanted.text)
            | Q(_scopes_contain(wanted.text))
            | Q(Exists(hinted))
        )
    if wanted.scope:
        keys = keys.filter(_scopes_contain(f'"{wanted.scope}"'))
    if wanted.environment:
        keys = keys.filter(environment=wanted.environment)
    if wanted.owner:
        keys = keys.filter(Q(owner__public_id=wanted.owner) | Q(service_account__public_id=wanted.owner))
    if wanted.api:
        keys = keys.filter(api__public_id=wanted.api)
    return having_status(keys, [wanted.status], now=now) if wanted.status else keys


def having_status(keys: QuerySet[ApiKey], statuses: Sequence[Status], *, now: datetime) -> QuerySet[ApiKey]:
    """Those of the keys that a page calls one of these words now."""
    return keys.annotate(status_word=_status(now)).filter(status_word__in=[status.value for status in statuses])


def count(keys: QuerySet[ApiKey]) -> int:
    """How many there are; counting stops above 10,000."""
    return keys.order_by()[: MAX_COUNTED + 1].count()


def with_working_secrets(keys: QuerySet[ApiKey], *, now: datetime) -> QuerySet[ApiKey]:
    """The keys, each with the secrets that have not ended as ``working_secrets``, newest first."""
    working = KeySecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now)).order_by("-pk")
    return keys.prefetch_related(Prefetch("secrets", working, to_attr="working_secrets"))


def page(keys: QuerySet[ApiKey], *, sort: Sort, after: str, now: datetime) -> Page:
    """The page that begins after the cursor, with working secrets; a cursor that is not ours begins at the top."""
    order = _ORDERS[sort]
    if after:
        keys = keys.filter(order.after(after))
    rows = list(with_working_secrets(keys, now=now).order_by(*order.by())[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    return Page(shown, order.cursor(shown[-1]) if len(rows) > PAGE_SIZE else "")


@dataclass(frozen=True)
class _Order:
    """A column and a direction; keys without a value come last, and the id decides between equals."""

    field: str
    descends: bool = False
    may_be_empty: bool = False

    def by(self) -> tuple[OrderBy, OrderBy]:
        # Asked of a column that is never empty, "nulls last" would keep PostgreSQL from using its index.
        nulls_last = True if self.may_be_empty else None
        if self.descends:
            return (F(self.field).desc(nulls_last=nulls_last), F("public_id").desc())
        return (F(self.field).asc(nulls_last=nulls_last), F("public_id").asc())

    def cursor(self, key: ApiKey) -> str:
        # Signed, so that what comes back is a value of this column and nothing else.
        value = getattr(key, self.field)
        text = value.isoformat() if isinstance(value, datetime) else value
        return signing.dumps([self.field, text, key.public_id], salt=CURSOR_SALT)

    def after(self, cursor: str) -> Q:
        try:
            field, value, public_id = signing.loads(cursor, salt=CURSOR_SALT)
        except signing.BadSignature:
            return Q()
        if field != self.field:
            return Q()
        beyond = "lt" if self.descends else "gt"
        further = Q(**{self.field: value, f"public_id__{beyond}": public_id})
        if value is None:
            return further
        further |= Q(**{f"{self.field}__{beyond}": value})
        return further | Q(**{self.field: None}) if self.may_be_empty else further


_ORDERS = {
    Sort.LAST_USED: _Order("last_used_at", descends=True, may_be_empty=True),
    Sort.CREATED: _Order("created_at", descends=True),
    Sort.EXPIRES: _Order("expires_at", may_be_empty=True),
    Sort.NAME: _Order("name"),
}


def _scopes_contain(text: str) -> Contains:
    # As text, since SQLite cannot ask whether a JSON list holds a value; no scope holds a quote or a backslash.
    return Contains(Cast("scopes", TextField()), text)


def _status(now: datetime) -> Case:
    """``keys.states.status`` as SQL; a test holds the two to the same words."""
    secrets = KeySecret.objects.filter(key=OuterRef("pk"))
    retiring = Exists(secrets.filter(ends_at=None)) & Exists(secrets.filter(ends_at__gt=now))
    ladder: list[tuple[Status, Q]] = [
        (Status.LEAKED, Q(revoke_reason=RevokeReason.LEAKED)),
        (Status.REVOKED, Q(revoked_at__isnull=False)),
        (Status.PAUSED, Q(disabled_at__isnull=False) | Q(api__disabled_at__isnull=False)),
        (Status.SCHEDULED, Q(not_before__gt=now)),
        (Status.EXPIRED, Q(expires_at__lte=now)),
        (Status.SUSPENDED, Q(organization__suspended_at__isnull=False)),
        (Status.RETIRING, Q(retiring)),
        (Status.EXPIRES_SOON, Q(expires_at__lte=now + EXPIRES_SOON)),
        (Status.NEVER_USED, Q(last_used_at=None, created_at__lte=now - NEVER_USED_AFTER)),
        (Status.IDLE, Q(last_used_at__lte=now - IDLE_AFTER)),
    ]
    return Case(
        *(When(condition, then=Value(status.value)) for status, condition in ladder),
        default=Value(Status.ACTIVE.value),
        output_field=TextField(),
    )
