"""A key has exactly the uses that its quota says, however many ask at once, and a new period begins anew."""

import asyncio
import threading
import time
from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError

from keys.models import ApiKey, QuotaUse
from keys.validation import wiring
from keys.validation.limits.quota_periods import ALL_TIME, next_period, period_of
from keys.validation.limits.quotas import QuotaStatus, spend
from keys.validation.store.database import CONNECTIONS, ThreadedSnapshots
from keys.validation.types import Quota

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)
LAST_MOMENT = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("refill", "now", "period", "ends"),
    [
        ("none", NOON, ALL_TIME, None),
        ("day", NOON, date(2026, 12, 31), NEW_YEAR),
        ("day", LAST_MOMENT, date(2026, 12, 31), NEW_YEAR),
        ("day", NEW_YEAR, date(2027, 1, 1), datetime(2027, 1, 2, tzinfo=UTC)),
        ("month", LAST_MOMENT, date(2026, 12, 1), NEW_YEAR),
        ("month", NEW_YEAR, date(2027, 1, 1), datetime(2027, 2, 1, tzinfo=UTC)),
        ("month", datetime(2028, 2, 29, tzinfo=UTC), date(2028, 2, 1), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_periods_are_days_and_months_of_utc(refill: str, now: datetime, period: date, ends: datetime | None) -> None:
    assert (period_of(refill, now), next_period(refill, now)) == (period, ends)


def take(key: ApiKey, limit: int, refill: str = "none", *, cost: int = 1, at: datetime = NOON) -> QuotaStatus:
    return spend(key.public_id, Quota(limit, refill), cost=cost, now=at.timestamp())


@pytest.mark.both_databases
def test_a_quota_is_spent_to_the_last_use_and_no_further(key: ApiKey) -> None:
    taken = [take(key, 3) for _ in range(5)]
    assert [status.is_admitted for status in taken] == [True, True, True, False, False]
    assert [status.remaining for status in taken] == [2, 1, 0, 0, 0]


@pytest.mark.both_databases
def test_a_call_takes_what_it_costs_or_nothing(key: ApiKey) -> None:
    assert not take(key, 10, cost=11).is_admitted
    assert take(key, 10, cost=8).remaining == 2
    assert take(key, 10, cost=3) == QuotaStatus(10, "none", is_admitted=False, remaining=2, resets_at=None)
    assert take(key, 10, cost=2).remaining == 0


@pytest.mark.both_databases
def test_looking_takes_nothing(key: ApiKey) -> None:
    assert [take(key, 3, cost=0).remaining for _ in range(2)] == [3, 3]


@pytest.mark.both_databases
def test_a_new_period_begins_anew_and_a_clock_that_is_behind_does_not(key: ApiKey) -> None:
    assert take(key, 1, "day", at=LAST_MOMENT).is_admitted
    assert not take(key, 1, "day", at=LAST_MOMENT).is_admitted
    assert take(key, 1, "day", at=NEW_YEAR).is_admitted
    assert not take(key, 1, "day", at=LAST_MOMENT).is_admitted
    assert not take(key, 1, "day", at=NEW_YEAR).is_admitted


def test_a_raised_quota_leaves_the_difference(key: ApiKey) -> None:
    assert take(key, 2, cost=2).is_admitted
    assert take(key, 5, cost=0).remaining == 3


@pytest.mark.parametrize("quota", [{"limit": 0, "refill": "none"}, {"limit": 1, "refill": "hour"}])
def test_the_database_keeps_no_quota_that_means_nothing(key: ApiKey, quota: dict[str, object]) -> None:
    key.quota = quota  # type: ignore[assignment]  # which is the point
    with pytest.raises(IntegrityError, match="key_quota_known"):
        key.save()


def test_the_database_keeps_no_use_of_nothing(key: ApiKey) -> None:
    with pytest.raises(IntegrityError, match="quota_use_is_use"):
        QuotaUse.objects.create(key=key, period=ALL_TIME, used=0)


def test_a_quota_that_keeps_its_threads_busy_keeps_no_snapshot_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    monkeypatch.setattr("keys.validation.limits.quotas.spend", lambda *_, **__: is_over.wait(10))
    database = ThreadedSnapshots()
    quotas = wiring.build(database, None).quotas

    async def scene() -> None:
        deadline = time.monotonic() + 5
        asked = [quotas.admit("key_1", Quota(1, "none"), cost=1, now=0, deadline=deadline) for _ in range(CONNECTIONS)]
        taken = asyncio.gather(*asked)
        await asyncio.sleep(0)
        try:
            assert await database._threads.run(lambda: "read", deadline=deadline) == "read"
        finally:
            is_over.set()
            await taken

    asyncio.run(scene())
