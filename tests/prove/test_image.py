"""The image, built and started without Docker: the Dockerfile's own steps in a tree of their own.

The tree holds this system's programs, read-only, under their own paths, and else only what the Dockerfile puts there.
Two things differ from its text: packages may come from this machine's caches, and the port is a free one.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from portal.env import BASE_DIR
from portal.operations import processes
from tests.support import environment, image, live
from tests.support.devservices import free_port

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]
READY_WITHIN_S = 120
BUILD_WITHIN_S = 600
PYTHON = Path(sys.base_prefix)
SYSTEM = [path for name in ("bin", "sbin", "usr", "lib", "lib64") if (path := Path("/", name)).is_dir()]
CACHE, TMP = Path("/cache"), Path("/tmp")  # noqa: S108  # a place to mount at
NO_RIGHTS = "--clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs"
# How this machine reaches its package index; everything else of its environment stays outside.
NETWORK = re.compile(r"(PIP|UV|SSL)_[A-Z_]+|[A-Za-z]+_(proxy|PROXY)")


def _may_mount() -> bool:
    command = ["/bin/sh", "-c", "unshare --mount mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def tree() -> Iterator[Path]:
    """The root of a system with our files in /app, and nothing in /venv yet."""
    if not _may_mount():
        pytest.skip("only root may mount: the image was not tried")
    folder = environment.FOLDER / "image"
    for path in image.context():
        (folder / "app" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BASE_DIR / path, folder / "app" / path)
    subprocess.run(["/bin/cp", "--archive", "/etc", folder], check=True)  # useradd writes there
    for path in (*SYSTEM, PYTHON, CACHE, Path("/proc"), Path("/dev"), TMP):
        (folder / path.relative_to("/")).mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def _inside(tree: Path, script: str, *, environ: dict[str, str], as_user: str = "") -> list[str | Path]:
    """The command that runs the script in the tree; for the image's user, nothing in it can be written to but /tmp."""
    bound = (*SYSTEM, PYTHON)
    mounts = [f"mount --bind {tree} {tree}", *(f"mount --bind {path} {tree}{path}" for path in bound)]
    mounts += [f"mount -o remount,ro,bind {tree}{path}" for path in bound]
    cache = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
    mounts += [f"mount --bind {cache.stdout.strip()} {tree}{CACHE}", f"mount -t tmpfs none {tree}{TMP}"]
    mounts += [f"mount --rbind /{name} {tree}/{name}" for name in ("dev", "proc")]
    user = ""
    if as_user:
        mounts.append(f"mount -o remount,ro,bind {tree}")
        user = f"setpriv --reuid {as_user} --regid {as_user} {NO_RIGHTS}"
    set_to = shlex.join(f"{name}={value}" for name, value in environ.items())
    enter = f"exec chroot {tree} {user} env -i {set_to} /bin/sh -c {shlex.quote(f'cd /app && {script}')}"
    return ["unshare", "--mount", "/bin/sh", "-c", " && ".join([*mounts, enter])]


def _build(tree: Path) -> dict[str, str]:
    """Run every step of both stages; returns the environment of the last."""
    outside = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    for stage in image.stages():
        environ = {"PATH": f"{PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(TMP)}
        for name, value in stage:
            if name == "ENV":
                for part in shlex.split(value.replace("$PATH", environ["PATH"])):
                    environ |= dict([part.split("=", 1)])
            elif name == "RUN":
                script = re.sub(r"--no-cache(-dir)? ", "", value)
                caches = {"UV_CACHE_DIR": str(CACHE), "UV_LINK_MODE": "copy"}
                command = _inside(tree, script, environ=environ | outside | caches)
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_WITHIN_S)
                assert done.returncode == 0, f"{value[:60]}: {done.stderr[-1500:]}"
    return environ


def _only(name: str) -> str:
    (found,) = [each.value for each in image.stages()[-1] if each.name == name]
    return found


def test_the_image_builds_and_serves_as_a_user_without_rights_on_a_tree_that_cannot_be_written_to(
    tree: Path, prove: Callable[[str], None]
) -> None:
    started = time.monotonic()
    environ = _build(tree)
    built_s, port = time.monotonic() - started, free_port()
    with live.database() as url:
        environ |= environment.production(database_url=url) | {"REDIS_URL": os.environ["REDIS_URL"]}
        script = f"! touch /app/x /venv/x 2>/dev/null && {_only('CMD').replace('--port 8000', f'--port {port}')}"
        with (environment.FOLDER / "image.log").open("w+b") as log:
            process = processes.start(
                _inside(tree, script, environ=environ, as_user=_only("USER")), stdout=log, stderr=log
            )
            try:
                _wait_until_ready(process, f"http://127.0.0.1:{port}", Path(log.name))
                page = httpx.get(f"http://127.0.0.1:{port}/accounts/login/", timeout=30)
                style = re.search(r'href="(/static/[^"]+\.css)"', page.raise_for_status().text)
                assert style
                assert httpx.get(f"http://127.0.0.1:{port}{style[1]}", timeout=30).status_code == httpx.codes.OK
                status = Path(f"/proc/{process.pid}/status").read_text()
                assert re.search(r"^Uid:\s+10001\s", status, re.MULTILINE)
                assert set(re.findall(r"^Cap(?:Prm|Eff|Bnd):\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
            finally:
                processes.stop(process)
    prove(f"image: built in {built_s:.0f} s, serves as uid 10001 without rights on a read-only tree")


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the image did not start: {log.read_text()[-2000:]}")
