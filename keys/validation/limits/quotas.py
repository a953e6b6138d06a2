"""Count a key's quota in the database: one statement per call, exact under any concurrency.

The statement locks the key's row of counts, so two calls never spend the same use. A response that comes too late may
have been counted: then one use is lost, but none is granted twice.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from django.db import connection
from msgspec import Struct

from keys.validation.limits.quota_periods import next_period, period_of
from keys.validation.store.database import DatabaseThreads
from keys.validation.store.turns import STRANGERS, Owner
from keys.validation.types import Quota

# A later period starts from 0. An earlier period than the stored one comes from a process whose clock is behind, or
# from a quota that was refilled more often before: then keep counting in the stored period.
_SPEND = """
    INSERT INTO keys_quotause AS old (key_id, period, used)
    SELECT id, %(period)s, %(cost)s FROM keys_apikey WHERE public_id = %(key)s AND %(cost)s <= %(limit)s
    ON CONFLICT (key_id) DO UPDATE SET
        used = CASE WHEN old.period < excluded.period THEN 0 ELSE old.used END + excluded.used,
        period = CASE WHEN old.period < excluded.period THEN excluded.period ELSE old.period END
    WHERE CASE WHEN old.period < excluded.period THEN 0 ELSE old.used END + excluded.used <= %(limit)s
    RETURNING used
"""
_LOOK = """
    SELECT used FROM keys_quotause WHERE period >= %(period)s
    AND key_id = (SELECT id FROM keys_apikey WHERE public_id = %(key)s)
"""
_WAIT_FOR_ROW_MS = 900  # so that a locked row does not occupy a thread forever


class QuotaStatus(Struct, frozen=True, gc=False):
    """The state of a key's quota after a call."""

    limit: int
    refill: str
    is_admitted: bool
    remaining: int
    resets_at: float | None


class Quotas:
    """Spends quotas, over the threads of the hot path."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def admit(
        self, key_id: str, quota: Quota, *, cost: int, now: float, deadline: float, owner: Owner = STRANGERS
    ) -> QuotaStatus:
        """Spend ``cost`` uses, or none; a cost of 0 only looks. Raises Unavailable."""
        ask = partial(spend, key_id, quota, cost=cost, now=now)
        return await self._threads.run(ask, deadline=deadline, owner=owner)


def spend(key_id: str, quota: Quota, *, cost: int, now: float) -> QuotaStatus:
    """Spend ``cost`` uses, or none, in this thread."""
    at = datetime.fromtimestamp(now, UTC)
    period = connection.ops.adapt_datefield_value(period_of(quota.refill, at))
    named = {"key": key_id, "period": period, "cost": cost, "limit": quota.limit}
    used = _first(_SPEND, named) if cost else None
    is_admitted = used is not None or cost == 0
    if used is None:
        used = _first(_LOOK, named) or 0
    resets_at = next_period(quota.refill, at)
    return QuotaStatus(
        quota.limit,
        quota.refill,
        is_admitted=is_admitted,
        remaining=max(quota.limit - used, 0),
        resets_at=None if resets_at is None else resets_at.timestamp(),
    )


def _first(statement: str, named: Mapping[str, int | str | None]) -> int | None:
    is_postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        # Sent together, the two statements are one transaction, and the setting ends with it.
        cursor.execute(f"SET LOCAL lock_timeout = {_WAIT_FOR_ROW_MS};" * is_postgres + statement, named)
        if is_postgres:
            cursor.nextset()
        row = cursor.fetchone()
    return None if row is None else row[0]
