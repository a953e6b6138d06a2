"""Prometheus metrics of the hot path.

Verdicts are counted in a dictionary and added to the Prometheus counter once a second. To increment a multiprocess
counter costs more than the verdict itself.
"""

import asyncio
from collections import Counter as CountByCode

from prometheus_client import Counter, Gauge, Histogram

from keys.validation.types import Code

PUBLISH_EVERY_S = 1.0

VALIDATIONS = Counter("latchkey_validations", "Verdicts given, by code.", ["code"])
LOAD_SECONDS = Histogram(
    "latchkey_snapshot_load_seconds",
    "Time that a call waited for snapshots which its process had no copy of.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)
DATABASE_REFUSALS = Counter(
    "latchkey_database_refusals", "Reads for a verdict that the database did not answer, by reason.", ["reason"]
)
BREAKER_OPEN = Gauge(
    "latchkey_database_breaker_open", "1 while the database is not asked for verdicts.", multiprocess_mode="livemax"
)
USAGE_LAG_SECONDS = Gauge(
    "latchkey_usage_lag_seconds", "Age of the oldest use not yet written down.", multiprocess_mode="livemax"
)
USAGE_LOST = Counter("latchkey_usage_lost", "Uses that were not counted, for want of room or an unknown commit.")

ANSWERED: CountByCode[Code] = CountByCode()  # since the last publish; used from the event loop only


def publish() -> None:
    """Add the counts since the last publish to the Prometheus counter."""
    for code, count in ANSWERED.items():
        VALIDATIONS.labels(code.value).inc(count)
    ANSWERED.clear()


async def keep_publishing() -> None:
    """Publish once a second, and once more when cancelled."""
    try:
        while True:
            await asyncio.sleep(PUBLISH_EVERY_S)
            publish()
    finally:
        publish()
