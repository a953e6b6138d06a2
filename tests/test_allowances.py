"""Four web processes with one key's limit and quota: never more than allowed, and hardly less."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import environment
from tests.canary import Canary
from tests.saturation import at_once, saturate
from tests.test_recorder import Fleet, fleet_in

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="embedded mode has one process")
LIMIT, WINDOW_S = 100, 1


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for this module."""
    with fleet_in(tmp_path_factory.mktemp("allowances"), Canary()) as made:
        warm_up(made)
        yield made


def warm_up(fleet: Fleet) -> None:
    """Have every process make its connections."""
    limits = [{"name": "default", "limit": 1_000_000, "window_s": 1}]
    secret = restricted(fleet, rate_limits=limits, quota={"limit": 1_000_000, "refill": "month"})
    at_once(fleet.portal.url, fleet.here.api_secret, secret, calls=50)


def restricted(fleet: Fleet, **restrictions: Any) -> str:
    """The secret of a new key with these limits or this quota."""
    writer = fleet.writers[0]
    key, secret = writer.do("issue", fleet.here.organization, fleet.here.api)["made"]
    writer.do("restrict", key, restrictions)
    return str(secret)


def test_processes_together_admit_a_burst_and_the_rate(fleet: Fleet) -> None:
    limits = [{"name": "default", "limit": LIMIT, "window_s": WINDOW_S}]
    secret = restricted(fleet, rate_limits=limits)
    codes, took_s = saturate(fleet.portal.url, fleet.here.api_secret, secret, for_s=2)
    assert set(codes) == {"VALID", "RATE_LIMITED"}
    assert codes["VALID"] <= LIMIT + LIMIT * took_s / WINDOW_S
    assert codes["VALID"] >= 0.95 * (LIMIT + LIMIT * 2 / WINDOW_S)


def test_of_fifty_calls_at_once_a_quota_of_ten_admits_ten(fleet: Fleet) -> None:
    secret = restricted(fleet, quota={"limit": 10, "refill": "none"})
    codes = at_once(fleet.portal.url, fleet.here.api_secret, secret, calls=50)
    assert codes == {"VALID": 10, "QUOTA_EXCEEDED": 40}
