"""The embedded default's own secrets: made once, kept in ``var/`` for its owner alone, never on import."""

import base64
import json
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from stat import S_ISVTX

from portal.env import BASE_DIR

MAKES_SECRETS = frozenset({"serve", "migrate", "demo"})
WRITES_FILES = MAKES_SECRETS | {"fonts"}
OTHERS = 0o077  # what a file's group and everybody else may do


def keep_private() -> None:
    """Give nobody else a way to the data: not to files of this process and its children, nor to those that exist."""
    os.umask(OTHERS)
    folder = secrets_path().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & S_ISVTX:  # shared with others, as /tmp is: only what lies in it is ours
        found = list(folder.glob("*.json")) + list(folder.glob("db.sqlite3*"))
    else:
        found = [folder, *folder.rglob("*")]
    for path in found:
        with suppress(FileNotFoundError, PermissionError):  # gone by now, or somebody else's
            if not path.is_symlink() and path.stat().st_mode & OTHERS:
                path.chmod(path.stat().st_mode & ~OTHERS)


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
