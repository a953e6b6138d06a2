"""The secrets of embedded mode: created once, stored in ``VAR_DIR`` for its owner only, and never created on import."""

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
OTHERS = 0o077  # the permission bits of a file's group and of everybody else


def keep_private() -> None:
    """Deny other users all access to the data: existing files, and new files of this process and its children."""
    os.umask(OTHERS)
    folder = secrets_path().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & S_ISVTX:  # a shared folder such as /tmp: only these files are ours
        found = list(folder.glob("*.json")) + list(folder.glob("db.sqlite3*"))
    else:
        found = [folder, *folder.rglob("*")]
    for path in found:
        with suppress(FileNotFoundError, PermissionError):  # deleted meanwhile, or owned by another user
            if not path.is_symlink() and path.stat().st_mode & OTHERS:
                path.chmod(path.stat().st_mode & ~OTHERS)


def secrets_path() -> Path:
    """Return the path of the embedded secrets: ``embedded.json`` in ``VAR_DIR``."""
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var") / "embedded.json"


def read_secrets() -> dict[str, str]:
    """Return the secrets, or an empty dict if there are none yet: some commands need no secrets."""
    try:
        found: dict[str, str] = json.loads(secrets_path().read_text())
    except FileNotFoundError:
        return {}
    return found


def ensure_secrets() -> None:
    """Create the embedded secrets unless they exist; concurrent starts end up with the same ones."""
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
        os.link(draft.name, path)  # fails if another start was first: that start's secrets count
    except FileExistsError:
        pass
    finally:
        Path(draft.name).unlink()


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
