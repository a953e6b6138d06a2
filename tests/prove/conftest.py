"""Portals that are attacked, for the proofs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import live
from tests.support.canary import Canary
from tests.support.strangers import Besieged


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Besieged]:
    """A portal of two processes, for many connections."""
    with _besieged(tmp_path_factory.mktemp("two") / "portal", canary, workers=2) as besieged:
        yield besieged


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Besieged]:
    """A portal of one process: whatever holds it up holds up everybody."""
    with _besieged(tmp_path_factory.mktemp("one") / "portal", canary, workers=1) as besieged:
        yield besieged


@contextmanager
def _besieged(folder: Path, canary: Canary, *, workers: int) -> Iterator[Besieged]:
    with (
        live.database_with_demo() as (url, demo),
        live.portal(folder, database_url=url, workers=workers) as portal,
    ):
        for tenant in (demo, demo["other"]):
            for secret in (tenant["api"]["secret"], tenant["api_key"], tenant["client"]["client_secret"]):
                canary.remember(secret)
        besieged = Besieged(portal, demo)
        besieged.validations(0.5)
        yield besieged
        assert not canary.is_in(portal.log)
        assert "request.failed" not in portal.log
        assert "page.failed" not in portal.log
