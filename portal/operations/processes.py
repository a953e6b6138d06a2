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

# How the web server is started, by us, in docs/operations.md and in the image. Its "backpressure" counts connections,
# idle ones too, so it is far above their number: work is bounded inside the app. A connection that sends no whole
# request head within 6 s of its last answer is closed; a head holds at most 32 KiB. HTTP/1 alone: else silent
# connections stay.
GRANIAN = (
    "granian --interface asgi --http 1 --runtime-mode st --respawn-failed-workers --no-ws --backpressure 20000"
    " --http1-header-read-timeout 6000 --http1-buffer-size 32768"
)
PR_SET_PDEATHSIG = 1  # prctl(2)


def web(*, workers: int, host: str, port: int, app: str = "portal.asgi:application") -> list[str]:
    """The arguments of ``python -m`` that serve the app."""
    return [*GRANIAN.split(), "--workers", str(workers), "--host", host, "--port", str(port), app]


def raise_file_limit() -> None:
    """Let this process have as many connections open as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start(
    command: Sequence[str | Path],
    *,
    farewell: signal.Signals = signal.SIGTERM,
    environ: Mapping[str, str] | None = None,
    **popen: Any,
) -> "subprocess.Popen[bytes]":
    """Start the command in a process group of its own; on Linux ``farewell`` reaches it even if this process is killed.

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
    """Ask the processes to go, all at once, then insist: what is left of their groups is killed."""
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
        # After any change of user, which would clear it: CPython calls this last, right before exec.
        libc.prctl(PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return ask_for_farewell
