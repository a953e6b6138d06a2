"""The engine as each test finds it: no limit spent, nothing counted, nothing written behind the test's back."""

import pytest

from keys.validation.allowances import Allowances
from keys.validation.database import DatabaseThreads
from keys.validation.http import ENGINE
from keys.validation.quotas import Quotas
from keys.validation.ratelimit import RateLimiter
from keys.validation.usage import UsageRecorder
from keys.validation.usage_queue import hand_on


@pytest.fixture(autouse=True)
def usage(monkeypatch: pytest.MonkeyPatch) -> UsageRecorder:
    """What the engine counts with; it writes when it is told to finish."""
    monkeypatch.setattr("keys.validation.usage.FINISHES_WITHIN_S", 60)  # a busy machine is no failure
    recorder = UsageRecorder(hand_on)
    monkeypatch.setattr(ENGINE, "_usage", recorder)
    monkeypatch.setattr(ENGINE, "_allowances", Allowances(RateLimiter(), Quotas(DatabaseThreads())))
    return recorder
