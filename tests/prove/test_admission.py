"""Limits and quotas over four processes, five seconds and often."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import environment
from tests.support.canary import Canary
from tests.support.saturation import at_once, saturate
from tests.test_admission import LIMIT, WINDOW_S, restricted, warm_up
from tests.test_recorder import fleet_in

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(300),
    pytest.mark.skipif(environment.ON_SQLITE, reason="embedded mode has one process"),
]
FOR_S, QUOTAS = 5, 20


def test_four_processes_admit_what_a_limit_allows_and_a_quota_exactly(
    tmp_path: Path, canary: Canary, prove: Callable[[str], None]
) -> None:
    with fleet_in(tmp_path, canary) as fleet:
        warm_up(fleet)
        where = (fleet.portal.url, fleet.here.api_secret)
        limits = [{"name": "default", "limit": LIMIT, "window_s": WINDOW_S}]
        codes, took_s = saturate(*where, restricted(fleet, rate_limits=limits), for_s=FOR_S)
        quota = {"limit": 10, "refill": "none"}
        counts = Counter(at_once(*where, restricted(fleet, quota=quota), calls=50)["VALID"] for _ in range(QUOTAS))
    allowed = LIMIT + LIMIT * FOR_S // WINDOW_S
    prove(
        f"limits: {codes['VALID']} of {codes.total():,} calls admitted in {took_s:.2f} s where {allowed} are allowed;"
        f" quota of 10, {QUOTAS} times 50 calls at once: {', '.join(map(str, sorted(counts)))} admitted"
    )
    assert 0.95 * allowed <= codes["VALID"] <= LIMIT + LIMIT * took_s / WINDOW_S
    assert set(counts) == {10}
