"""Prepare the environment variables of the suite before settings are read: servers, throwaway secrets, folders.

One PostgreSQL serves the whole run; each worker has its own Valkey and folder. ``LATCHKEY_TEST_DB=sqlite`` uses the
embedded mode instead. ``LATCHKEY_TEST_DB=none`` starts no server, for tests that need none.
"""

import atexit
import base64
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from portal.env import PRODUCTION_SETTINGS
from portal.operations.embedded import ensure_secrets
from tests.support.devservices import start_postgres, start_valkey

WITHOUT_SERVERS = os.environ.get("LATCHKEY_TEST_DB") == "none"
ON_SQLITE = os.environ.get("LATCHKEY_TEST_DB") == "sqlite"
NOWHERE = "127.0.0.1:1"  # no server listens here
FOLDER = Path(tempfile.mkdtemp(prefix="latchkey-tests-"))
LOG_FILE = FOLDER / "log"
RUN_FOLDER = Path(os.environ.setdefault("LATCHKEY_TEST_RUN", str(FOLDER)))  # the one of the run's first process
TEST_DATABASE = str(FOLDER / "db.sqlite3") if ON_SQLITE else "test_latchkey"


def prepare() -> None:
    """Set every variable that the settings read, so that the developer's shell has no influence."""
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    (FOLDER / "static").mkdir()  # WhiteNoise warns if the folder is missing
    is_worker = "PYTEST_XDIST_WORKER" in os.environ  # a worker inherits the run's database and secrets
    os.environ |= {"VAR_DIR": str(FOLDER), "LOG_LEVEL": "DEBUG", "PORT": "8000", "KEY_BRAND": "lk", "SIGNUP": "open"}
    if ON_SQLITE or not is_worker:
        for name in PRODUCTION_SETTINGS:
            os.environ.pop(name, None)
    if ON_SQLITE:
        ensure_secrets()
        return
    if WITHOUT_SERVERS:
        os.environ |= production(database_url=f"postgresql://nobody@{NOWHERE}/none")
        os.environ["REDIS_URL"] = f"redis://{NOWHERE}/0"
        return
    if not is_worker:
        os.environ |= production(database_url=start_postgres().url)
    os.environ["REDIS_URL"] = start_valkey().url


def embedded_environ() -> dict[str, str]:
    """Return the environment variables without those of production mode; a process started with these is embedded."""
    return {name: value for name, value in os.environ.items() if name not in PRODUCTION_SETTINGS}


def production(*, database_url: str) -> dict[str, str]:
    """The settings of production mode except ``REDIS_URL``, with new secrets."""
    return {
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "KEY_PEPPERS": f"1:{_key()}",
        "ENCRYPTION_KEYS": f"1:{_key()}",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "PUBLIC_URL": "http://localhost:8000",
        "EMAIL_URL": "console:",
    }


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
