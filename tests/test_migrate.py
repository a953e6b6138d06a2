"""Several `manage.py migrate` at once, as several machines start them on an upgrade."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.env import BASE_DIR
from tests.support import environment, live

PATIENCE_S = 200
AT_ONCE = 3


def _migrate_at_once(environ: dict[str, str]) -> list[int]:
    """What each of them exits with."""
    command = [sys.executable, str(BASE_DIR / "manage.py"), "migrate", "--verbosity=0"]
    environ = environ | {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    running = [subprocess.Popen(command, env=environ) for _ in range(AT_ONCE)]
    return [process.wait(PATIENCE_S) for process in running]


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL")
def test_three_migrations_of_one_database_at_once_all_succeed() -> None:
    with live.database(is_empty=True) as url:
        assert _migrate_at_once(dict(os.environ) | {"DATABASE_URL": url}) == [0] * AT_ONCE


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_three_migrations_of_one_folder_at_once_all_succeed(tmp_path: Path) -> None:
    embedded = environment.embedded_environ()
    assert _migrate_at_once(embedded | {"VAR_DIR": str(tmp_path)}) == [0] * AT_ONCE
