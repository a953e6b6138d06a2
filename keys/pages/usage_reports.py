"""Read credentials' usage: calls, denials, days, callers. Read only; the hot path does the counting.

Counts are per hour, so a period begins on the hour; days are in UTC.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from keys.models import ApiKey, Caller, Usage
from keys.services.credential_type import credential_types
from keys.validation.types import Code
from portal.models import Organization
from portal.ui.charts import Bar, DayChart

DAYS_OF_A_WEEK = 7
DENIED = ~Q(code=Code.VALID)


@dataclass(frozen=True)
class Calls:
    """The calls in a period, and the number of denied ones."""

    total: int
    denied: int

    @property
    def denied_share(self) -> float:
        """The denied calls' share, from 0 to 1; 0 without calls."""
        return self.denied / self.total if self.total else 0.0

    @property
    def total_words(self) -> str:
        """Such as ``1,204``."""
        return f"{self.total:,}"

    @property
    def allowed_words(self) -> str:
        """The calls that were not denied, such as ``1,200``."""
        return f"{self.total - self.denied:,}"

    @property
    def share_words(self) -> str:
        """Such as ``0.21%``; ``None`` without calls."""
        return f"{self.denied_share:.2%}" if self.total else "None"

    @property
    def denied_words(self) -> str:
        """Such as ``388 requests``; empty if none was denied."""
        return f"{self.denied:,} request{'s' * (self.denied != 1)}" if self.denied else ""


@dataclass(frozen=True)
class Day:
    """The calls on one day in UTC."""

    date: date
    allowed: int
    denied: int

    @property
    def total(self) -> int:
        return self.allowed + self.denied


def calls_of_key(key: ApiKey, *, hours: int = 24, now: datetime) -> Calls:
    """Count the key's calls in the last ``hours`` hours, including the current one."""
    return _calls(Usage.objects.filter(key=key), hours, now)


def calls_of_organization(organization: Organization, *, hours: int = 24, now: datetime) -> Calls:
    """Count the calls of all the organization's keys in the last ``hours`` hours."""
    return _calls(Usage.objects.filter(key__organization=organization), hours, now)


def days_of_key(key: ApiKey, *, days: int, now: datetime) -> list[Day]:
    """Count the key's calls on each of the last ``days`` days, oldest first, including today."""
    return _days(Usage.objects.filter(key=key), days, now)


def days_of_organization(organization: Organization, *, days: int, now: datetime) -> list[Day]:
    """Count the calls of the organization's keys on each of the last ``days`` days, oldest first, including today."""
    return _days(Usage.objects.filter(key__organization=organization), days, now)


def all_validations(*, hours: int = 24, now: datetime) -> Calls:
    """Count the validations of everybody's keys and tokens in the last ``hours`` hours; reads all those hours' rows."""
    return _calls(_validations(), hours, now)


def days_of_validations(*, days: int, now: datetime) -> list[Day]:
    """Count everybody's validations on each of the last ``days`` days, oldest first, including today."""
    return _days(_validations(), days, now)


def calls_of_secrets(ids: Iterable[str], *, hours: int = 24, now: datetime) -> Calls:
    """Count the calls under these secret ids in the last ``hours`` hours."""
    return _calls(Usage.objects.filter(secret_id__in=list(ids)), hours, now)


def days_of_secrets(ids: Iterable[str], *, days: int, now: datetime) -> list[Day]:
    """Count the calls under these secret ids on each of the last ``days`` days, oldest first, including today."""
    return _days(Usage.objects.filter(secret_id__in=list(ids)), days, now)


def day_chart(title: str, days: Sequence[Day], *, since: datetime) -> DayChart:
    """Return the chart of the days, of which the last is today; a day before ``since`` without calls is unknown."""
    begun = since.astimezone(UTC).date()
    today = days[-1].date
    is_week = len(days) == DAYS_OF_A_WEEK
    bars = [
        Bar(
            "Today" if day.date == today else _day_label(day.date, is_week=is_week),
            day.allowed if day.total or day.date >= begun else None,
            day.denied,
            is_partial=day.date == today,
        )
        for day in days
    ]
    return DayChart(title, bars, days[0].date, today)


def totals_by_day(keys: Iterable[ApiKey], *, days: int, now: datetime) -> Mapping[int, list[int]]:
    """Count each key's calls on each of the last ``days`` days, oldest first, by the key's pk; runs one query."""
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
    """Return the addresses that the key's calls came from since then, latest first."""
    return Caller.objects.filter(key=key, last_seen_at__gte=since).order_by("-last_seen_at", "address")


def first_code(key: ApiKey) -> str | None:
    """Return the code of the key's first counted call; None if there was none."""
    return Usage.objects.filter(key=key).order_by("hour", "pk").values_list("code", flat=True).first()


def has_calls(keys: QuerySet[ApiKey]) -> bool:
    """Tell whether any of the keys was ever used, or refused."""
    return keys.filter(Q(last_used_at__isnull=False) | Exists(Usage.objects.filter(key=OuterRef("pk")))).exists()


def last_dates(days: int, now: datetime) -> list[date]:
    """Return the last ``days`` dates in UTC, oldest first, including today."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(days))]


def _validations() -> QuerySet[Usage]:
    """Return the usage but for token requests: a token's validation is counted under the id of its client."""
    of_tokens = [Q(secret_id__startswith=f"{credential_type.noun}_") for credential_type in credential_types()]
    return Usage.objects.filter(reduce(or_, of_tokens, Q(key__isnull=False)))


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


def _day_label(day: date, *, is_week: bool) -> str:
    """Return, for example, ``Tue 24`` in a week and ``24 Nov`` in a longer time."""
    return f"{day:%a} {day.day}" if is_week else f"{day.day} {day:%b}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
