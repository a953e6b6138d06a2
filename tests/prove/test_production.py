"""A thousand keys in production mode."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.canary import Canary
from tests.test_production import validate_demo_keys

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]


def test_every_key_of_a_thousand_is_valid(tmp_path: Path, canary: Canary, prove: Callable[[str], None]) -> None:
    started = time.monotonic()
    codes = validate_demo_keys(tmp_path, canary, count=1000)
    took_s = time.monotonic() - started
    prove(f"production: {codes.count('VALID'):,} of {len(codes):,} keys valid, {took_s:.0f} s in all")
    assert set(codes) == {"VALID"}
