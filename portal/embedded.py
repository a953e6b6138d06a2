"""The embedded default's own secrets: made once, kept in ``var/``, never on import."""

import base64
import json
import os
import secrets
import tempfile
from pathlib import Path

from portal.env import BASE_DIR

MAKES_SECRETS = frozenset({"serve", "migrate", "demo"})


def secrets_path() -> Path:
    """Where the embedded secrets lie: ``embedded.json`` in ``VAR_DIR``, readable by its owner alone."""
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var") / "embedded.json"


def read_secrets() -> dict[str, str]:
    """The secrets that exist, else an empty dict: commands that need none work without them."""
    try:
        found: dict[str, str] = json.loads(secrets_path().read_text())
    except FileNotFoundError:
        return {}
    return found


def ensure_secrets() -> None:
    """Make the embedded secrets unless they exist; two starts at once agree on one set."""
    path = secrets_path()
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "KEY_PEPPERS": f"1:{_key()}",
        "ENCRYPTION_KEYS": f"1:{_key()}",
    }
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:  # created 0600
        json.dump(made, draft)
    try:
        os.link(draft.name, path)  # fails where another start was first: theirs counts
    except FileExistsError:
        pass
    finally:
        Path(draft.name).unlink()


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
