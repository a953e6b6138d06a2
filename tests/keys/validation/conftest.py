"""The engine as each test finds it: no limit spent, nothing counted, nothing written behind the test's back."""

from collections.abc import Iterator

import pytest
import redis
from pytest_django.fixtures import Settings

from keys.validation.limits.quotas import Quotas
from keys.validation.limits.rate_limiter import RateLimiter
from keys.validation.store.database import DatabaseThreads
from keys.validation.usage.queue import flush_batch
from keys.validation.usage.recorder import UsageRecorder
from tests.support.devservices import Service, start_valkey
from tests.support.hot_path import using


@pytest.fixture(autouse=True)
def usage(monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageRecorder]:
    """What the engine counts with; it writes when it is told to finish."""
    monkeypatch.setattr("keys.validation.usage.recorder.FINISHES_WITHIN_S", 60)  # a busy machine is no failure
    recorder = UsageRecorder(flush_batch)
    with using(usage=recorder, limiter=RateLimiter(), quotas=Quotas(DatabaseThreads())):
        yield recorder


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A Valkey of the module's own, which its tests may ill-treat."""
    made = start_valkey()
    yield made
    made.stop()


@pytest.fixture
def valkey(service: Service, settings: Settings) -> Iterator["redis.Redis"]:
    """The empty Valkey, which the product uses, too."""
    settings.REDIS_URL = service.url
    with redis.Redis.from_url(service.url) as client:
        client.flushall()
        yield client
