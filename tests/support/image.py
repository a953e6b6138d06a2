"""Read the Dockerfile and `.dockerignore` without Docker: the instructions, and the files in the build context."""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from portal.env import BASE_DIR

LEFT_OUT = {".git", ".venv", "node_modules"}  # too large to list; `.dockerignore` is tested with the other files


class Instruction(NamedTuple):
    """One instruction, with its continuation lines joined."""

    name: str
    value: str


def stages() -> list[list[Instruction]]:
    """The instructions of each build stage; the first instruction of a stage is its FROM."""
    text = re.sub(r"^#.*\n", "", (BASE_DIR / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[list[Instruction]] = []
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        name, _, value = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, value.strip()))
    return found


def copied() -> list[str]:
    """Every path of the build context that a COPY names."""
    sources: list[str] = []
    for instruction in (each for stage in stages() for each in stage):
        if instruction.name == "COPY" and "--from=" not in instruction.value:
            sources += shlex.split(instruction.value)[:-1]
    return sources


def is_let_in(path: str) -> bool:
    """Whether `.dockerignore` includes the path: its last line that matches the path or a parent folder decides."""
    let_in = True
    for line in (BASE_DIR / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and any(_matches(part, pattern) for part in _with_parents(path)):
            let_in = line.startswith("!")
    return let_in


def context() -> list[Path]:
    """The files of this checkout in the build context, relative to its root."""
    found = []
    for top in sorted(BASE_DIR.iterdir()):
        if top.name not in LEFT_OUT:
            found += [file for file in ([top] if top.is_file() else sorted(top.rglob("*"))) if file.is_file()]
    names = [file.relative_to(BASE_DIR) for file in found]
    return [name for name in names if is_let_in(name.as_posix())]


def _with_parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(path.rpartition("/")[2], pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
