"""What deployers read agrees with the settings: docker-compose.yml, .env.example, Dockerfile."""

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.conf import settings

from portal.env import BASE_DIR, PRODUCTION_SETTINGS, Production
from portal.operations.processes import web
from tests.support import environment, image

CONNECTIONS_A_WORKER = 35  # as docs/operations.md counts them
INTERNAL = {"LATCHKEY_SERVED"}  # set by `manage.py serve` for its children
OF_COMPOSE = {"DATABASE_PASSWORD", "POSTGRES_PASSWORD", "VALKEY_PASSWORD"}
OF_THE_IMAGE = {"WEB_WORKERS"}
SETTINGS = {name.upper() for name in Production.model_fields} - INTERNAL
APP = ("web", "pages", "worker", "beat", "migrate")
HEALTHY = ("tls", "web", "pages", "worker", "beat", "postgres", "valkey")
PINNED = re.compile(r"[a-z/]+:[0-9]+\.[0-9]+(\.[0-9]+)?[a-z0-9.-]*@sha256:[0-9a-f]{64}")


def _example() -> list[str]:
    return re.findall(r"^([A-Z0-9_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())
    return parsed


def test_the_example_lists_each_setting_once_and_nothing_else() -> None:
    assert sorted(_example()) == sorted(SETTINGS | OF_COMPOSE | OF_THE_IMAGE)


def test_each_setting_in_the_example_has_a_line_that_explains_it() -> None:
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    unexplained = [line for above, line in pairwise(lines) if "=" in line and above[:1] != "#"]
    assert not [line for line in unexplained if line[:1] != "#"]


def test_no_process_but_the_migration_has_the_password_of_the_owner_of_the_tables(compose: dict[str, Any]) -> None:
    for name in APP:
        service = compose["services"][name]
        assert service["env_file"] == ".env"  # which holds it
        environment = dict(service["environment"])
        assert environment.pop("POSTGRES_PASSWORD") == ""
        assert any("POSTGRES_PASSWORD" in value for value in environment.values()) == (name == "migrate")


def test_the_example_holds_no_secret() -> None:
    text = (BASE_DIR / ".env.example").read_text()
    for name in ("SECRET_KEY", "KEY_PEPPERS", "ENCRYPTION_KEYS", "METRICS_TOKEN", *OF_COMPOSE):
        assert re.search(rf"^{name}=$", text, re.MULTILINE)


def test_the_production_settings_come_first_in_the_example() -> None:
    assert _example()[: len(PRODUCTION_SETTINGS)] == list(PRODUCTION_SETTINGS)


def test_compose_has_every_process_of_production(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*APP, "tls", "postgres", "valkey"}
    assert compose["services"]["postgres"]["image"].startswith("postgres:18.")
    assert compose["services"]["valkey"]["image"].startswith("valkey/valkey:9.")


def test_every_image_from_elsewhere_is_named_by_its_exact_version_and_its_digest(compose: dict[str, Any]) -> None:
    pulled = [service["image"] for service in compose["services"].values() if "build" not in service]
    bases = [stage[0].value.partition(" ")[0] for stage in image.stages()]
    assert len(pulled) == 3
    assert [name for name in (*pulled, *bases) if not PINNED.fullmatch(name)] == []


@pytest.mark.parametrize("name", HEALTHY)
def test_each_service_that_stays_has_a_health_check(compose: dict[str, Any], name: str) -> None:
    assert compose["services"][name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", APP)
def test_our_processes_take_their_settings_from_a_file_that_is_not_in_the_repository(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert service["env_file"] == ".env"
    of_compose = {"PGPASSWORD", "POSTGRES_PASSWORD", "REDIS_URL"}  # what holds a password of compose's own servers
    assert set(service["environment"]) - {"DATABASE_URL", "APP_ROLE_PASSWORD"} == of_compose
    assert ".env" in (BASE_DIR / ".gitignore").read_text().splitlines()


def test_only_migrations_run_as_the_owner_of_the_tables(compose: dict[str, Any]) -> None:
    owner = compose["services"]["postgres"]["environment"]["POSTGRES_USER"]
    migrate = compose["services"]["migrate"]
    assert urlsplit(migrate["environment"]["DATABASE_URL"]).username == owner
    assert [name for name in APP if "DATABASE_URL" in compose["services"][name]["environment"]] == ["migrate"]
    example = re.search(r"^DATABASE_URL=(.+)$", (BASE_DIR / ".env.example").read_text(), re.MULTILINE)
    assert example
    role = urlsplit(example[1]).username
    assert role not in {owner, None}
    assert f"manage.py migrate && python manage.py grant_app_role {role}" in migrate["command"]


def test_every_variable_that_compose_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (BASE_DIR / "docker-compose.yml").read_text()))
    assert asked == {*OF_COMPOSE, "PUBLIC_URL"}


def test_only_the_tls_service_can_be_reached_from_outside(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["tls"]


def test_the_proxy_that_is_trusted_is_the_tls_service_and_nobody_else_can_get_its_address(
    compose: dict[str, Any],
) -> None:
    (pinned,) = compose["networks"]["default"]["ipam"]["config"]
    address = ipaddress.ip_address(compose["services"]["tls"]["networks"]["default"]["ipv4_address"])
    assert address in ipaddress.ip_network(pinned["subnet"])
    assert address not in ipaddress.ip_network(pinned["ip_range"])
    assert f"\nTRUSTED_PROXIES={address}/32\n" in (BASE_DIR / ".env.example").read_text()


def test_the_logs_of_every_service_are_bounded(compose: dict[str, Any]) -> None:
    assert all(service["logging"]["options"]["max-size"] for service in compose["services"].values())


def test_the_database_takes_all_connections_that_the_processes_may_open(compose: dict[str, Any]) -> None:
    workers = int(re.findall(r"^WEB_WORKERS=(\d+)$", (BASE_DIR / ".env.example").read_text(), re.MULTILINE)[0])
    command = " ".join(compose["services"]["postgres"]["command"])
    taken = int(re.findall(r"max_connections=(\d+)", command)[0])
    assert taken >= 2 * 2 * workers * CONNECTIONS_A_WORKER  # web and pages, and room for twice as many workers


def test_only_optional_networks_may_be_empty_among_the_production_settings() -> None:
    head = (BASE_DIR / ".env.example").read_text().partition("\n\n")[0].replace("\n# ", " ")
    optional = [name for name in PRODUCTION_SETTINGS if not Production.model_fields[name.lower()].is_required()]
    assert f"only {' and '.join(optional)} may be empty" in head


def test_the_database_is_not_taken_for_ready_while_its_first_start_prepares_it(compose: dict[str, Any]) -> None:
    test = compose["services"]["postgres"]["healthcheck"]["test"]
    assert "--host" in test  # the server of the preparation listens on a socket alone


@pytest.mark.parametrize("file", ["docs/operations.md", "Dockerfile"])
def test_the_web_server_is_started_everywhere_as_it_is_tested(file: str) -> None:
    text = (BASE_DIR / file).read_text().replace("\\\n", " ")
    (command,) = re.findall(r"granian (--interface .*) portal\.asgi:application", text)
    given = set(re.findall(r"--[a-z0-9-]+(?: [a-z0-9]+)?", command))
    tested = " ".join(web(workers=1, host="::", port=1)).partition(" --workers")[0]
    assert given >= set(re.findall(r"--[a-z0-9-]+(?: [a-z0-9]+)?", tested))


def test_the_image_runs_as_nobody_special() -> None:
    assert image.Instruction("USER", "latchkey") in image.stages()[-1]


# --- What reaches the image ---


@pytest.mark.parametrize("app", [app for app in settings.INSTALLED_APPS if (BASE_DIR / app.partition(".")[0]).is_dir()])
def test_every_app_of_ours_reaches_the_image(app: str) -> None:
    assert image.is_let_in(f"{app.partition('.')[0]}/apps.py")


@pytest.mark.parametrize("path", [path for path in image.copied() if path != "."])
def test_every_file_that_the_dockerfile_copies_reaches_the_image(path: str) -> None:
    assert (BASE_DIR / path).is_file()
    assert image.is_let_in(path)


@pytest.mark.parametrize(
    "path", ["manage.py", "static/css/app.css", "templates/500.html", "keys/validation/lua/take.lua"]
)
def test_what_the_processes_read_besides_reaches_the_image(path: str) -> None:
    assert (BASE_DIR / path).is_file()
    assert image.is_let_in(path)


@pytest.mark.parametrize(
    "path", [".env", ".git/config", "var/embedded.json", "tests/settings.py", "keys/__pycache__/x"]
)
def test_no_secret_and_nothing_superfluous_reaches_the_image(path: str) -> None:
    assert not image.is_let_in(path)


# --- A copied .env with its secrets filled in ---


def _make_env(folder: Path) -> None:
    for name in ("Makefile", ".env.example"):
        shutil.copy(BASE_DIR / name, folder)
    subprocess.run(["/bin/sh", "-c", "make --silent env"], cwd=folder, check=True)


def _read_env(folder: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (folder / ".env").read_text(), re.MULTILINE))


def test_make_env_fills_in_every_secret_once_for_its_owner_alone(tmp_path: Path) -> None:
    _make_env(tmp_path)
    made = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    secrets = [_read_env(tmp_path)[name] for name in ("SECRET_KEY", "KEY_PEPPERS", "ENCRYPTION_KEYS", *OF_COMPOSE)]
    assert all(secrets)
    assert len(set(secrets)) == len(secrets)
    _make_env(tmp_path)
    assert (tmp_path / ".env").read_text() == made


@pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL")
def test_what_make_env_writes_is_all_that_compose_needs_to_start(compose: dict[str, Any], tmp_path: Path) -> None:
    _make_env(tmp_path)
    environ = _read_env(tmp_path)
    for name, value in compose["services"]["web"]["environment"].items():
        environ[name] = re.sub(r"\$\{([A-Z_]+)[^}]*\}", lambda found: environ[found[1]], value)
    (tmp_path / "static").mkdir()
    environ |= {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "portal.settings", "PATH": os.environ["PATH"]}
    command = [sys.executable, str(BASE_DIR / "manage.py"), "check", "--deploy"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"\((\w+\.W\d+)\)", done.stderr) == ["portal.W003"]  # mails go to the log, until EMAIL_URL is set
