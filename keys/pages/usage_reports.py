"""Read how credentials were used: calls, denials, days, callers. Nothing here writes; counting is the hot path's.

Counts are kept by the hour, so a window begins on the hour; days are those of UTC.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from keys.models import ApiKey, Caller, Usage
from keys.validation.types import Code
from portal.models import Organization

DENIED = ~Q(code=Code.VALID)


@dataclass(frozen=True)
class Calls:
    """Calls within a window, and how many of them were denied."""

    total: int
    denied: int

    @property
    def denied_share(self) -> float:
        """Between 0 and 1; 0 where there were no calls."""
        return self.denied / self.total if self.total else 0.0

    @property
    def total_words(self) -> str:
        """``1,204``."""
        return f"{self.total:,}"

    @property
    def allowed_words(self) -> str:
        """Those that were not denied: ``1,200``."""
        return f"{self.total - self.denied:,}"

    @property
    def share_words(self) -> str:
        """``0.21%``; a hyphen where nothing was asked."""
        return f"{self.denied_share:.2%}" if self.total else "-"

    @property
    def denied_words(self) -> str:
        """``388 requests``; empty where none was denied."""
        return f"{self.denied:,} request{'s' * (self.denied != 1)}" if self.denied else ""


@dataclass(frozen=True)
class Day:
    """One day of UTC."""

    date: date
    allowed: int
    denied: int

    @property
    def total(self) -> int:
        """Allowed and denied together."""
        return self.allowed + self.denied


def calls_of_key(key: ApiKey, *, hours: int = 24, now: datetime) -> Calls:
    """The key's calls in the last so many hours, the running one included."""
    return _calls(Usage.objects.filter(key=key), hours, now)


def calls_of_organization(organization: Organization, *, hours: int = 24, now: datetime) -> Calls:
    """The calls of all the organization's keys in the last so many hours."""
    return _calls(Usage.objects.filter(key__organization=organization), hours, now)


def days_of_key(key: ApiKey, *, days: int, now: datetime) -> list[Day]:
    """The last so many days, oldest first, today included."""
    return _days(Usage.objects.filter(key=key), days, now)


def days_of_organization(organization: Organization, *, days: int, now: datetime) -> list[Day]:
    """The last so many days of all the organization's keys, oldest first, today included."""
    return _days(Usage.objects.filter(key__organization=organization), days, now)


def calls_of_secrets(ids: Iterable[str], *, hours: int = 24, now: datetime) -> Calls:
    """What was counted under these ids in the last so many hours."""
    return _calls(Usage.objects.filter(secret_id__in=list(ids)), hours, now)


def days_of_secrets(ids: Iterable[str], *, days: int, now: datetime) -> list[Day]:
    """What was counted under these ids on the last so many days, oldest first, today included."""
    return _days(Usage.objects.filter(secret_id__in=list(ids)), days, now)


def totals_by_day(keys: Iterable[ApiKey], *, days: int, now: datetime) -> Mapping[int, list[int]]:
    """Each key's calls on the last so many days, oldest first, by the key's row number; one query for all keys."""
    dates = last_dates(days, now)
    counts: dict[int, dict[date, int]] = defaultdict(dict)
    rows = (
        Usage.objects.filter(key__in=[key.pk for key in keys], hour__gte=_midnight(dates[0]))
        .values("key_id", day=TruncDate("hour", tzinfo=UTC))
        .annotate(calls=Sum("count"))
        .order_by()
    )
    for row in rows:
        counts[row["key_id"]][row["day"]] = row["calls"]
    return defaultdict(lambda: [0] * days, {pk: [found.get(day, 0) for day in dates] for pk, found in counts.items()})


def callers_of_key(key: ApiKey, *, since: datetime) -> QuerySet[Caller]:
    """The addresses that the key's calls came from since then, latest first."""
    return Caller.objects.filter(key=key, last_seen_at__gte=since).order_by("-last_seen_at", "address")


def first_code(key: ApiKey) -> str | None:
    """What the key's first counted call was told; None before there is one."""
    return Usage.objects.filter(key=key).order_by("hour", "pk").values_list("code", flat=True).first()


def last_dates(days: int, now: datetime) -> list[date]:
    """The last so many dates of UTC, oldest first, today included."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(days))]


def _calls(usage: QuerySet[Usage], hours: int, now: datetime) -> Calls:
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    found = usage.filter(hour__gte=since).aggregate(total=Sum("count"), denied=Sum("count", filter=DENIED))
    return Calls(found["total"] or 0, found["denied"] or 0)


def _days(usage: QuerySet[Usage], days: int, now: datetime) -> list[Day]:
    dates = last_dates(days, now)
    rows = (
        usage.filter(hour__gte=_midnight(dates[0]))
        .values(day=TruncDate("hour", tzinfo=UTC))
        .annotate(total=Sum("count", default=0), denied=Sum("count", filter=DENIED, default=0))
        .order_by()
    )
    found = {row["day"]: Day(row["day"], row["total"] - row["denied"], row["denied"]) for row in rows}
    return [found.get(day) or Day(day, 0, 0) for day in dates]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
