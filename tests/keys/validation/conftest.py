"""The engine as each test finds it: no limit spent, nothing counted, nothing written behind the test's back."""

import pytest

from keys.validation.http import ENGINE
from keys.validation.limits.admission import Admission
from keys.validation.limits.quotas import Quotas
from keys.validation.limits.rate_limiter import RateLimiter
from keys.validation.store.database import DatabaseThreads
from keys.validation.usage.queue import flush_batch
from keys.validation.usage.recorder import UsageRecorder


@pytest.fixture(autouse=True)
def usage(monkeypatch: pytest.MonkeyPatch) -> UsageRecorder:
    """What the engine counts with; it writes when it is told to finish."""
    monkeypatch.setattr("keys.validation.usage.recorder.FINISHES_WITHIN_S", 60)  # a busy machine is no failure
    recorder = UsageRecorder(flush_batch)
    monkeypatch.setattr(ENGINE, "_usage", recorder)
    monkeypatch.setattr(ENGINE, "_admission", Admission(RateLimiter(), Quotas(DatabaseThreads())))
    return recorder
