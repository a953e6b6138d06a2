"""Drive ``tests.support.writer``: a process that changes credentials on command."""

import json
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from portal.env import BASE_DIR
from portal.operations import processes


class Writer:
    """One writing process, while the block lasts."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._process = processes.start(
            [sys.executable, "-m", "tests.support.writer"],
            environ=environ,
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def do(self, operation: str, *arguments: object) -> dict[str, Any]:
        """Have it done; what it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([operation, *arguments]).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
