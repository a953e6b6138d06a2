"""Production mode with only the settings that it needs, on real servers and with two web processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.env import BASE_DIR
from tests.support import environment, live

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL")


def _check(**changes: str) -> "subprocess.CompletedProcess[str]":
    environ = environment.embedded_environ()
    environ |= environment.production(database_url="postgresql://127.0.0.1:1/none") | {
        "REDIS_URL": "redis://127.0.0.1:1"
    }
    environ |= changes | {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    command = [sys.executable, str(BASE_DIR / "manage.py"), "check"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"SECRET_KEY": ""},
        pytest.param({"PUBLIC_URL": "http://keys.example.com"}, marks=pytest.mark.prove),
        {"KEY_PEPPERS": "1:canary", "ENCRYPTION_KEYS": "canary"},
        pytest.param({"DATABASE_URL": ""}, marks=pytest.mark.prove),
        pytest.param({"EMAIL_URL": ""}, marks=pytest.mark.prove),
        {"EMAIL_URL": "smtp://mail.example.com:canary", "REDIS_URL": "redis://127.0.0.1:1?canary=1"},
    ],
)
def test_a_missing_or_malformed_setting_stops_the_start_and_is_named_without_its_value(changes: dict[str, str]) -> None:
    done = _check(**changes)
    assert done.returncode != 0
    assert all(name in done.stderr for name in changes)
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr


def test_of_two_database_hosts_the_one_that_answers_and_can_be_written_to_is_used() -> None:
    with live.database() as url:
        both = url.replace("@127.0.0.1:", "@127.0.0.1:1,127.0.0.1:")
        environ = {
            "DATABASE_URL": f"{both}?target_session_attrs=read-write",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        assert live.manage(dict(os.environ) | environ, "peppers")


@pytest.mark.parametrize(
    "command",
    [
        "granian --interface asgi --port 0 portal.asgi:application",
        pytest.param("celery -A portal worker --pool solo", marks=pytest.mark.prove),
        pytest.param("celery -A portal beat --pidfile=", marks=pytest.mark.prove),
    ],
)
def test_a_process_started_without_any_setting_stops_and_says_what_to_do(command: str, tmp_path: Path) -> None:
    environ = environment.embedded_environ()
    environ |= {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        env=environ,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "DATABASE_URL is not set" in done.stdout + done.stderr
