"""What deployers read agrees with the settings: docker-compose.yml, .env.example, Dockerfile."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml

from portal.env import BASE_DIR, PRODUCTION_SETTINGS, Production

INTERNAL = {"LATCHKEY_SERVED"}  # set by `manage.py serve` for its children
OF_COMPOSE = {"POSTGRES_PASSWORD"}
SETTINGS = {name.upper() for name in Production.model_fields} - INTERNAL
APP = ("web", "worker", "beat", "migrate")
HEALTHY = ("web", "worker", "beat", "postgres", "valkey")


def _example() -> list[str]:
    return re.findall(r"^([A-Z_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())
    return parsed


def test_the_example_lists_each_setting_once_and_nothing_else() -> None:
    assert sorted(_example()) == sorted(SETTINGS | OF_COMPOSE)


def test_each_setting_in_the_example_has_a_line_that_explains_it() -> None:
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    unexplained = [line for above, line in pairwise(lines) if "=" in line and above[:1] != "#"]
    assert not [line for line in unexplained if line[:1] != "#"]


def test_the_example_holds_no_secret() -> None:
    text = (BASE_DIR / ".env.example").read_text()
    for name in ("SECRET_KEY", "KEY_PEPPERS", "ENCRYPTION_KEYS", "METRICS_TOKEN", "POSTGRES_PASSWORD"):
        assert re.search(rf"^{name}=$", text, re.MULTILINE)


def test_the_production_settings_come_first_in_the_example() -> None:
    assert _example()[: len(PRODUCTION_SETTINGS)] == list(PRODUCTION_SETTINGS)


def test_compose_has_every_process_of_production(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*APP, "postgres", "valkey"}
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert compose["services"]["valkey"]["image"] == "valkey/valkey:9"


@pytest.mark.parametrize("name", HEALTHY)
def test_each_service_that_stays_has_a_health_check(compose: dict[str, Any], name: str) -> None:
    assert compose["services"][name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", APP)
def test_our_processes_take_their_settings_from_a_file_that_is_not_in_the_repository(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert service["env_file"] == ".env"
    assert "environment" not in service
    assert ".env" in (BASE_DIR / ".gitignore").read_text().splitlines()


def test_every_variable_that_compose_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (BASE_DIR / "docker-compose.yml").read_text()))
    assert asked == OF_COMPOSE


def test_only_loopback_ports_are_published(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000"]


def test_the_image_runs_as_nobody_special() -> None:
    final = (BASE_DIR / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER latchkey$", final, re.MULTILINE)
