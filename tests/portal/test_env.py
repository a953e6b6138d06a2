"""The environment: two modes, nothing between them, and no value in what is said."""

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from portal.connections import database_from_url, email_from_url
from portal.env import BASE_DIR, PRODUCTION_SETTINGS, BadEnvironment, Env, Production, load
from portal.env_types import VersionedKey

KEY = base64.urlsafe_b64encode(b"k" * 32).decode().rstrip("=")
GOOD = {
    "DATABASE_URL": "postgresql://latchkey:hunter2@db.example.com:5433/latchkey",
    "REDIS_URL": "redis://:hunter3@cache.example.com:6379/0",
    "SECRET_KEY": "s" * 50,
    "KEY_PEPPERS": f"2:{KEY},1:{base64.urlsafe_b64encode(b'j' * 32).decode()}",
    "ENCRYPTION_KEYS": f"1:{KEY}",
    "ALLOWED_HOSTS": "keys.example.com, www.example.com",
    "PUBLIC_URL": "https://keys.example.com",
    "EMAIL_URL": "smtp+tls://latchkey:hunter4@mail.example.com",
}
OURS = {*PRODUCTION_SETTINGS, *(name.upper() for name in Env.model_fields)}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any of our settings."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def good(environ: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A whole production environment."""
    for name, value in GOOD.items():
        environ.setenv(name, value)
    return environ


def production() -> Production:
    found = load()
    assert isinstance(found, Production)
    return found


@pytest.mark.usefixtures("environ")
def test_with_nothing_set_it_is_embedded() -> None:
    found = load()
    assert not isinstance(found, Production)
    assert (found.signup, found.key_brand, found.port) == ("open", "lk", 8000)


@pytest.mark.usefixtures("good")
def test_a_whole_production_environment_is_read() -> None:
    found = production()
    assert [pepper.version for pepper in found.key_peppers] == ["2", "1"]
    assert found.key_peppers[0].key == b"k" * 32
    assert found.allowed_hosts == ("keys.example.com", "www.example.com")
    assert found.trusted_proxies == ()


@pytest.mark.parametrize("name", [name for name in GOOD if name != "DATABASE_URL"])
def test_each_missing_production_setting_stops_and_is_named(name: str, good: pytest.MonkeyPatch) -> None:
    good.delenv(name)
    with pytest.raises(BadEnvironment, match=f"{name}: is missing"):
        load()


@pytest.mark.parametrize("name", [name for name in GOOD if name != "DATABASE_URL"])
def test_an_empty_setting_is_a_missing_one(name: str, good: pytest.MonkeyPatch) -> None:
    good.setenv(name, "")
    with pytest.raises(BadEnvironment, match=f"{name}: is missing"):
        load()


@pytest.mark.parametrize("name", [name for name in PRODUCTION_SETTINGS if name != "DATABASE_URL"])
def test_any_production_setting_alone_stops_since_the_database_is_missing(
    name: str, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv(name, "anything")
    with pytest.raises(BadEnvironment, match=f"DATABASE_URL is not set, yet {name} is"):
        load()


def test_a_network_of_mapped_addresses_is_the_one_that_requests_come_from(good: pytest.MonkeyPatch) -> None:
    good.setenv("TRUSTED_PROXIES", "::ffff:10.0.0.0/104, fd00::/8")
    assert [str(network) for network in production().trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]


MALFORMED = [
    ("DATABASE_URL", "mysql://a:canary-value@b/c"),
    ("DATABASE_URL", "canary-value"),
    ("DATABASE_URL", "host=canary-value dbname=x"),
    ("DATABASE_URL", "postgresql://db.example.com/latchkey?canary-value=1"),
    ("DATABASE_URL", "postgresql://u:canary-value%zz@db.example.com/latchkey"),
    ("DATABASE_URL", "postgresql://u:p@canary-value@db.example.com/latchkey"),
    ("DATABASE_URL", "postgresql://u:p@db.example.com:canary-value/latchkey"),
    ("DATABASE_URL", "postgresql://u@a.example.com:1,b.example.com:2,c.example.com/canary-value?port=1,2"),
    ("DATABASE_URL", "postgresql://canary-value"),
    ("REDIS_URL", "http://canary-value"),
    ("REDIS_URL", "redis://:canary-value/x@cache.example.com"),
    ("REDIS_URL", "redis://cache.example.com:canary-value"),
    ("REDIS_URL", "redis://cache.example.com/canary-value"),
    ("REDIS_URL", "redis://cache.example.com?socket_timeout=canary-value"),
    ("REDIS_URL", "redis://cache.example.com?canary-value=1"),
    ("REDIS_URL", "redis://[canary-value"),
    ("SECRET_KEY", "canary-value"),
    ("KEY_PEPPERS", "canary-value"),
    ("KEY_PEPPERS", "1:canary-value"),
    ("KEY_PEPPERS", f"1:{KEY}x"),
    ("KEY_PEPPERS", f"1:{KEY},1:{KEY}"),
    ("KEY_PEPPERS", ",".join(f"{n}:{KEY}" for n in range(4))),
    ("KEY_PEPPERS", ","),
    ("ENCRYPTION_KEYS", f"a b:{KEY}"),
    ("ENCRYPTION_KEYS", f"1:{base64.urlsafe_b64encode(b'canary-value').decode()}"),
    ("ALLOWED_HOSTS", " , "),
    ("PUBLIC_URL", "http://canary-value.example.com"),
    ("PUBLIC_URL", "https://keys.example.com/"),
    ("PUBLIC_URL", "https://keys.example.com/canary-value"),
    ("PUBLIC_URL", "https://user:canary-value@keys.example.com"),
    ("PUBLIC_URL", "https://keys.example.com?canary-value"),
    ("PUBLIC_URL", "keys.example.com"),
    ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ("TRUSTED_PROXIES", "canary-value"),
    ("PLAIN_HTTP_NETWORKS", "canary-value"),
    ("WEB_HOST", "canary-value"),
    ("EMAIL_URL", "canary-value"),
    ("EMAIL_URL", "smtp://"),
    ("EMAIL_URL", "smtp://u:canary-value#@mail.example.com"),
    ("EMAIL_URL", "smtp://mail.example.com:canary-value"),
    ("EMAIL_URL", "smtp://[canary-value"),
    ("EMAIL_URL", "smtp://mail.example.com?from=canary-value"),
    ("EMAIL_URL", "smtp://mail.example.com?form=canary-value@example.com"),
    ("PUBLIC_URL", "https://keys.example.com:canary-value"),
    ("SIGNUP", "canary-value"),
    ("KEY_BRAND", "Canary-Value"),
    ("LOG_LEVEL", "canary-value"),
    ("PORT", "canary-value"),
    ("MAX_KEYS_PER_ORGANIZATION", "0"),
    ("AUDIT_RETENTION_DAYS", "-1"),
    ("SNAPSHOT_TTL", "0"),
    ("SNAPSHOT_TTL", "601"),
    ("SNAPSHOT_STALE_IF_ERROR", "3601"),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_each_malformed_setting_stops_and_is_named_without_its_value(
    name: str, value: str, good: pytest.MonkeyPatch
) -> None:
    """MD2: an issuer has https, no path and no query."""
    good.setenv(name, value)
    with pytest.raises(BadEnvironment) as caught:
        load()
    assert f"  {name}: " in str(caught.value)
    assert "canary-value" not in str(caught.value).lower()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("ttl", "stale", "is_enough"),
    [("240", "", True), ("240", "360", True), ("240", "359", False), ("421", "", False), ("1", "121", True)],
)
def test_copies_outlast_an_outage_of_two_minutes_and_the_error_names_both_settings(
    ttl: str, stale: str, is_enough: bool, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("SNAPSHOT_TTL", ttl)
    environ.setenv("SNAPSHOT_STALE_IF_ERROR", stale)
    if is_enough:
        assert load().snapshot_stale_if_error == int(stale or 540)
        return
    with pytest.raises(BadEnvironment, match=r"SNAPSHOT_STALE_IF_ERROR: must be at least SNAPSHOT_TTL \+ 120"):
        load()


def test_all_faults_are_named_at_once(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("DATABASE_URL", GOOD["DATABASE_URL"])
    environ.setenv("SIGNUP", "nobody")
    with pytest.raises(BadEnvironment) as caught:
        load()
    for name in [*GOOD.keys() - {"DATABASE_URL"}, "SIGNUP"]:
        assert f"  {name}: " in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_plain_http_is_for_this_machine_alone(url: str, good: pytest.MonkeyPatch) -> None:
    good.setenv("PUBLIC_URL", url)
    assert production().public_url == url


@pytest.mark.usefixtures("good")
def test_no_secret_shows_in_the_settings_own_repr() -> None:
    shown = repr(production()) + repr(VersionedKey("1", b"canary" * 5 + b"xx"))
    assert "s" * 50 not in shown
    assert "kkkk" not in shown
    assert "canary" not in shown


@pytest.mark.usefixtures("good")
def test_no_password_in_an_address_shows_in_the_settings_own_repr() -> None:
    assert "hunter" not in repr(production())


Read = dict[str, object]
DATABASE_URLS: list[tuple[str, Read, Read]] = [
    (
        "postgresql://us%40er:p%2Fw@db.example.com:5433/latch%20key?sslmode=require",
        {"USER": "us@er", "PASSWORD": "p/w", "NAME": "latch key", "HOST": "db.example.com", "PORT": "5433"},
        {"sslmode": "require"},
    ),
    (
        "postgres://u:p@[::1]:5432/db",
        {"USER": "u", "PASSWORD": "p", "NAME": "db", "HOST": "::1", "PORT": "5432"},
        {},
    ),
    (
        "postgresql:///db?host=/run/postgresql&user=u",
        {"USER": "u", "PASSWORD": "", "NAME": "db", "HOST": "/run/postgresql", "PORT": ""},
        {},
    ),
    (
        "postgresql://u@%2Frun%2Fpostgresql/db",
        {"USER": "u", "PASSWORD": "", "NAME": "db", "HOST": "/run/postgresql", "PORT": ""},
        {},
    ),
    (
        "postgresql://u@a.example.com:5432,b.example.com:5433/db?target_session_attrs=read-write",
        {"USER": "u", "NAME": "db", "HOST": "a.example.com,b.example.com", "PORT": "5432,5433"},
        {"target_session_attrs": "read-write"},
    ),
    ("postgresql://latchkey@db.example.com", {"USER": "latchkey", "NAME": "latchkey"}, {}),
    ("postgresql://?service=latchkey", {"USER": "", "NAME": ""}, {"service": "latchkey"}),
]


@pytest.mark.parametrize(("url", "read", "options"), DATABASE_URLS)
def test_the_database_url_is_read_as_psql_reads_it(
    url: str, read: dict[str, object], options: dict[str, object], good: pytest.MonkeyPatch
) -> None:
    good.setenv("DATABASE_URL", url)
    found = database_from_url(production().database_url)
    assert read.items() <= found.items()
    assert isinstance(found["OPTIONS"], dict)
    assert options.items() <= found["OPTIONS"].items()


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://u:p@mail.example.com", 25, False, False),
        ("smtp+tls://u:p@mail.example.com", 587, True, False),
        ("smtps://u:p@mail.example.com:4650", 4650, False, True),
    ],
)
def test_the_mail_url_becomes_djangos_settings(url: str, port: int, tls: bool, ssl: bool) -> None:
    found = email_from_url(SecretStr(url), public_url="https://keys.example.com:8443")
    assert found["DEFAULT_FROM_EMAIL"] == "Latchkey <no-reply@keys.example.com>"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.com", port)
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (tls, ssl)


def test_the_mail_url_names_the_sender() -> None:
    url = SecretStr("smtp://mail.example.com?from=keys%40example.org")
    assert (
        email_from_url(url, public_url="https://x.example.com")["DEFAULT_FROM_EMAIL"] == "Latchkey <keys@example.org>"
    )


# --- The whole program ---


def start(environ: dict[str, str], code: str) -> subprocess.CompletedProcess[str]:
    """Run a line of Python in a process of its own, with these settings and none of the suite's."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {"DJANGO_SETTINGS_MODULE": "portal.settings"} | environ,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_program_stops_naming_every_fault_and_showing_no_value(tmp_path: Path) -> None:
    broken = GOOD | {"SECRET_KEY": "canary-value", "PUBLIC_URL": "http://keys.example.com", "VAR_DIR": str(tmp_path)}
    done = start(broken, "import django; django.setup()")
    assert done.returncode != 0
    assert "SECRET_KEY: " in done.stderr
    assert "PUBLIC_URL: " in done.stderr
    assert "canary-value" not in done.stderr
    assert "hunter" not in done.stderr


def test_importing_the_settings_makes_no_secret(tmp_path: Path) -> None:
    done = start({"VAR_DIR": str(tmp_path)}, "import portal.settings")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_embedded_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    code = (
        "from portal.operations.embedded import ensure_secrets, secrets_path; ensure_secrets(); print(secrets_path())"
    )
    first = start({"VAR_DIR": str(tmp_path / "var")}, code)
    path = Path(first.stdout.strip())
    made = path.read_text()
    start({"VAR_DIR": str(tmp_path / "var")}, code)
    assert path.read_text() == made
    assert path.stat().st_mode & 0o077 == 0
    assert set(json.loads(made)) == {"SECRET_KEY", "KEY_PEPPERS", "ENCRYPTION_KEYS"}


def test_production_is_clean_under_check_deploy(tmp_path: Path) -> None:
    environ = GOOD | {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "EMAIL_URL": "smtp+tls://u:p@mail.example.com",
        "VAR_DIR": str(tmp_path),
    }
    code = (
        "import sys; from django.core.management import execute_from_command_line as run;"
        " run(['manage.py', 'check', '--deploy', '--fail-level', 'WARNING'])"
    )
    done = start(environ, code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues" in done.stdout
