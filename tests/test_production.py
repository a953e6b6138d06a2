"""Production mode with only the settings that it needs, on real servers and with two web processes."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from portal.env import BASE_DIR
from tests.support import environment, live
from tests.support.canary import Canary

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL")


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


def test_every_key_is_valid_through_two_processes(tmp_path: Path, canary: Canary) -> None:
    assert set(validate_demo_keys(tmp_path, canary, count=20)) == {"VALID"}


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
        {"PUBLIC_URL": "http://keys.example.com"},
        {"KEY_PEPPERS": "1:canary", "ENCRYPTION_KEYS": "canary"},
        {"DATABASE_URL": ""},
        {"EMAIL_URL": ""},
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
        "celery -A portal worker --pool solo",
        "celery -A portal beat --pidfile=",
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
