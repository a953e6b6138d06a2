"""`manage.py serve`, which is what `make run` runs: a whole portal from nothing, and nothing left of it afterwards."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from portal.env import BASE_DIR
from tests.support import environment, live
from tests.support.canary import Canary
from tests.support.devservices import free_port

PATIENCE_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder with spaces"


@pytest.fixture
def migrated(folder: Path) -> None:
    """Put a migrated database into the folder."""
    shutil.copytree(live.migrated_folder(), folder)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def serve(folder: Path, port: int) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the portal in embedded mode, its data in ``folder``."""
    started = []
    environ = environment.embedded_environ()
    environ |= {"VAR_DIR": str(folder), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    environ.pop("DJANGO_SETTINGS_MODULE", None)

    def start(command: str = "serve", *, log_level: str = "DEBUG", **settings: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(BASE_DIR / "manage.py"), *command.split()],
            env=environ | {"LOG_LEVEL": log_level} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            umask=0o022,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _read_until_ready(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if "Latchkey is ready at " in line:
            return "".join(said)
    raise AssertionError(f"it ended: {''.join(said)[-2000:]}")


def _paste(said: str) -> str:
    """What the printed curl answers in a shell."""
    return subprocess.run(["/bin/sh", "-c", _curl(said)], capture_output=True, text=True, check=True).stdout


def _curl(said: str) -> str:
    found = re.search(r"^curl (?:.*\\\n)*.*$", said, re.MULTILINE)
    assert found
    return found[0]


def _processes_of(folder: Path) -> list[str]:
    """Command lines of processes that were started with this data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"VAR_DIR={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:  # it has just ended
            continue
    return found


def _wait_for_worker(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "broker" / "control" / "celery.pidbox.exchange").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _sign_up(url: str, email: str) -> None:
    with httpx.Client(base_url=url, headers={"Origin": url}) as browser:
        form = browser.get("/accounts/signup/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        assert token
        fields = {"csrfmiddlewaretoken": token[1], "email": email, "password1": "correct horse battery"}
        assert browser.post("/accounts/signup/", data=fields).status_code == httpx.codes.FOUND


def _open_to_others(folder: Path) -> list[str]:
    """What in the folder others may read or write."""
    found = [folder, *folder.rglob("*")]
    return [path.name for path in found if path.exists() and path.stat().st_mode & 0o077]


def _log_ins(said: str) -> list[str]:
    return re.findall(r"(?:admin|developer) +\S+@localhost +[0-9a-f]{24}", said)


def _wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while _processes_of(folder):
        assert time.monotonic() < deadline, _processes_of(folder)
        time.sleep(0.05)


def test_from_nothing_the_pasted_curl_is_valid_and_ctrl_c_leaves_nothing(
    serve: Callable[..., "subprocess.Popen[str]"], folder: Path, canary: Canary
) -> None:
    process = serve()
    said = _read_until_ready(process)
    for secret in re.findall(r"lk_\w+", said):
        canary.remember(secret)
    assert '"valid":true' in _paste(said)
    assert re.search(r"admin +admin@localhost +[0-9a-f]{24}", said)
    url = re.search(r"ready at (\S+)", said)
    assert url
    assert httpx.get(url[1]).status_code == httpx.codes.OK
    _wait_for_worker(folder)
    assert _open_to_others(folder) == []
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert not canary.is_in(rest)
    _wait_until_gone(folder)


@pytest.mark.prove
@pytest.mark.usefixtures("migrated")
def test_the_terminal_shows_where_to_go_and_mails_in_boxes_and_nothing_else(
    serve: Callable[..., "subprocess.Popen[str]"], folder: Path
) -> None:
    process = serve(log_level="")
    said = _read_until_ready(process)
    url = re.search(r"ready at (\S+)", said)
    assert url
    _sign_up(url[1], "new@example.com")
    _wait_for_worker(folder)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert re.search(r"^\| To: +new@example.com$(.*\n)+\| +\d{6}$", rest, re.MULTILINE)
    assert not re.search(r"warn|celery|^\d{4}-", said, re.IGNORECASE | re.MULTILINE)
    others = [line for line in rest.splitlines() if line and line[0] not in "+|"]
    assert others == ["worker: Warm shutdown (MainProcess)", "Stopped."]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
@pytest.mark.prove
@pytest.mark.usefixtures("migrated")
def test_killing_it_leaves_nothing_and_the_next_start_shows_the_same_whatever_became_of_the_demo_data(
    serve: Callable[..., "subprocess.Popen[str]"], folder: Path
) -> None:
    process = serve()
    first = _read_until_ready(process)
    assert len(_processes_of(folder)) >= 4  # itself, web, worker, beat
    process.kill()
    _wait_until_gone(folder)
    with sqlite3.connect(folder / "db.sqlite3") as connection:
        connection.execute("UPDATE portal_organization SET suspended_at = '2026-01-01 00:00:00'")
        made = connection.execute("SELECT count(*) FROM keys_apikey").fetchone()
    folder.chmod(0o755)
    (folder / "db.sqlite3").chmod(0o644)
    said = _read_until_ready(serve())
    is_same_curl = _curl(said) == _curl(first)
    assert is_same_curl
    assert len(_log_ins(said)) == 2
    assert _log_ins(said) == _log_ins(first)
    assert sqlite3.connect(folder / "db.sqlite3").execute("SELECT count(*) FROM keys_apikey").fetchone() == made
    assert _open_to_others(folder) == []


@pytest.mark.prove
@pytest.mark.usefixtures("migrated")
def test_one_portal_at_a_time_serves_a_folder_and_others_are_told_where(
    serve: Callable[..., "subprocess.Popen[str]"], folder: Path, port: int
) -> None:
    _read_until_ready(serve())
    second, _ = serve(PORT=str(free_port())).communicate(timeout=PATIENCE_S)
    assert f"is being served already, at http://localhost:{port}." in second
    assert "Traceback" not in second
    made, _ = serve("demo --json", log_level="", PORT="8000").communicate(timeout=PATIENCE_S)
    assert json.loads(made)["base_url"] == f"http://localhost:{port}"


def test_a_taken_port_is_said_plainly(serve: Callable[..., "subprocess.Popen[str]"], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        said, _ = serve().communicate(timeout=PATIENCE_S)
    assert said.strip() == f"CommandError: Port {port} is taken. Choose another: PORT=8001 make run"
