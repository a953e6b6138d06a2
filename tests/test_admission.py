"""Four web processes with one key's limit and quota: never more than allowed, and hardly less."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support import environment
from tests.support.canary import Canary
from tests.support.saturation import at_once, saturate
from tests.test_recorder import Fleet, fleet_in

pytestmark = [pytest.mark.prove, pytest.mark.skipif(environment.ON_SQLITE, reason="embedded mode has one process")]
LIMIT, WINDOW_S = 100, 1


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for this module."""
    with fleet_in(tmp_path_factory.mktemp("admission"), Canary()) as made:
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


@pytest.mark.parametrize("kind", ["key", "token"])
def test_a_lower_ceiling_holds_from_the_next_call_on_whatever_a_process_had_in_hand(fleet: Fleet, kind: str) -> None:
    own = [{"name": "default", "limit": 1_000_000, "window_s": 1}]
    credential = restricted(fleet, rate_limits=own) if kind == "key" else token_of_a_client(fleet)
    cap = partial(fleet.writers[0].do, "cap", fleet.here.api)
    cap({"name": "default", "limit": 100_000, "window_s": 1})
    assert at_once(fleet.portal.url, fleet.here.api_secret, credential, calls=20) == {"VALID": 20}
    cap({"name": "default", "limit": 5, "window_s": 3600})
    lowered = at_once(fleet.portal.url, fleet.here.api_secret, credential, calls=20)
    cap()
    assert lowered == {"VALID": 5, "RATE_LIMITED": 15}
    assert at_once(fleet.portal.url, fleet.here.api_secret, credential, calls=20) == {"VALID": 20}


def token_of_a_client(fleet: Fleet) -> str:
    """An access token of a new client."""
    writer = fleet.writers[0]
    client, _ = writer.do("create_client", fleet.here.organization, fleet.here.api)["made"]
    return str(writer.do("mint", client)["made"][1])


def test_of_fifty_calls_at_once_a_quota_of_ten_admits_ten(fleet: Fleet) -> None:
    secret = restricted(fleet, quota={"limit": 10, "refill": "none"})
    codes = at_once(fleet.portal.url, fleet.here.api_secret, secret, calls=50)
    assert codes == {"VALID": 10, "QUOTA_EXCEEDED": 40}
