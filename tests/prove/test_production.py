"""A thousand keys in production mode."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support import live
from tests.support.canary import Canary

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]


def validate_demo_keys(folder: Path, canary: Canary, *, count: int) -> list[str]:
    """The codes that ``count`` demo keys get from a portal of two processes, whose metrics are held to them."""
    shared = folder / "metrics"
    shared.mkdir()
    extra = {"METRICS_TOKEN": "metrics", "PROMETHEUS_MULTIPROC_DIR": str(shared)}
    with live.database() as url, live.portal(folder, database_url=url, workers=2, **extra) as portal:
        made = json.loads(portal.manage("demo", "--json", "--force", "--keys", str(count)))
        keys = [made["api_key"], *made["api_keys"]]
        for secret in (*keys, made["management_key"], made["api"]["secret"]):
            canary.remember(secret)
        bearer = {"Authorization": f"Bearer {made['api']['secret']}"}
        with httpx.Client(base_url=portal.url, headers=bearer, timeout=10) as client, ThreadPoolExecutor(4) as pool:

            def ask(key: str) -> str:
                answer = client.post("/v1/validate", json={"credential": key, "scopes": made["scopes"]})
                return str(answer.json().get("code", answer.status_code))

            codes = list(pool.map(ask, keys))
        valid = f'latchkey_validations_total{{code="VALID"}} {codes.count("VALID"):.1f}\n'
        give_up_at = time.monotonic() + 10
        while valid not in metrics_of(portal):  # processes hand their counts over each second
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        assert not canary.is_in(portal.log)
    return codes


def metrics_of(portal: live.Live) -> str:
    return httpx.get(f"{portal.url}/metrics", headers={"Authorization": "Bearer metrics"}).text


def test_every_key_of_a_thousand_is_valid(tmp_path: Path, canary: Canary, prove: Callable[[str], None]) -> None:
    started = time.monotonic()
    codes = validate_demo_keys(tmp_path, canary, count=1000)
    took_s = time.monotonic() - started
    prove(f"production: {codes.count('VALID'):,} of {len(codes):,} keys valid, {took_s:.0f} s in all")
    assert set(codes) == {"VALID"}
