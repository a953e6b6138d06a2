"""Child processes that never outlive this one. Standard library only."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# How this app, docs/operations.md and the image start the web server. Its "backpressure" also counts idle connections,
# so it is far above their number: the app itself limits the work. A connection is closed if it sends no
# complete request head within 6 s of its last response; a head is at most 32 KiB. Only HTTP/1: with HTTP/2, silent
# connections would stay open.
GRANIAN = (
    "granian --interface asgi --http 1 --runtime-mode st --respawn-failed-workers --no-ws --backpressure 20000"
    " --http1-header-read-timeout 6000 --http1-buffer-size 32768"
)
PR_SET_PDEATHSIG = 1  # prctl(2)


def web(*, workers: int, host: str, port: int, app: str = "portal.asgi:application", loop: str = "uvloop") -> list[str]:
    """Return the arguments of ``python -m`` that serve the app on a kind of event loop."""
    how = ("--loop", loop, "--workers", str(workers), "--host", host, "--port", str(port))
    return [*GRANIAN.split(), *how, app]


def raise_file_limit() -> None:
    """Raise this process's limit on open files, and so on connections, to the system's maximum."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start(
    command: Sequence[str | Path],
    *,
    farewell: signal.Signals = signal.SIGTERM,
    environ: Mapping[str, str] | None = None,
    **popen: Any,
) -> "subprocess.Popen[bytes]":
    """Start the command in its own process group. On Linux it gets ``farewell`` even if this process is killed.

    Call it from the main thread: the kernel watches the thread that starts the child.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        env=None if environ is None else dict(environ),
        start_new_session=True,
        preexec_fn=_tether(farewell),  # noqa: PLW1509  # only system calls, and no threads of ours run yet
        **popen,
    )


def stop(
    *running: "subprocess.Popen[bytes]", farewell: signal.Signals = signal.SIGTERM, patience_s: float = 10
) -> None:
    """Ask all processes to stop, wait, then kill the rest of their process groups."""
    for process in running:
        if process.poll() is None:
            process.send_signal(farewell)
    for process in running:
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _tether(farewell: signal.Signals) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_for_farewell() -> None:
        # After any change of user, which would clear the setting: CPython calls this last, right before exec.
        libc.prctl(PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:  # the parent died in between
            os._exit(1)

    return ask_for_farewell
