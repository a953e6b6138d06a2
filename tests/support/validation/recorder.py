"""Record the answers of a live portal while credentials change, and find answers that show an outdated state.

Eight clients validate and introspect over new and kept connections; separate processes (tests.support.writer) make the
changes. Every answer and every change has its start and end on CLOCK_MONOTONIC, which all processes of a machine share.
``histories`` decides which answers break the promise.
"""

import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from portal.env import BASE_DIR
from portal.operations import processes
from tests.support.validation.histories import Answer, Change, Subject

CLIENTS = 8
NEW_CONNECTION = 0.2  # the share of requests over a new connection
SUBJECTS_ASKED = 12  # the newest subjects; older ones no longer change
GIVE_UP_S = 10.0
OVERLAP_S = 1.0
_random = Random()  # noqa: S311  # nothing secret: the choice of the next subject


@dataclass(frozen=True)
class Question:
    """A form or JSON object to post, with a function that reads the code from the response."""

    path: str
    media_type: str
    body: str = field(repr=False)
    read: Callable[[Any], str]


def validation(subject: "Subject") -> Question:
    """The validation that a backend sends for each call."""
    body = json.dumps({"credential": subject.credential, "scopes": subject.scopes})
    return Question("/v1/validate", "application/json", body, lambda answer: str(answer["code"]))


def introspection(subject: "Subject") -> Question:
    """The introspection of the subject's credential."""

    def read(answer: Mapping[str, Any]) -> str:
        return "ACTIVE" if answer["active"] and {*subject.scopes} <= {*answer["scope"].split()} else "INACTIVE"

    form = urlencode({"token": subject.credential})
    return Question("/oauth/introspect", "application/x-www-form-urlencoded", form, read)


class Writer:
    """A process that makes changes, one at a time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._process = processes.start(
            [sys.executable, "-m", "tests.support.writer"],
            environ=environ,
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lock = threading.Lock()

    def do(self, operation: str, *arguments: Any) -> dict[str, Any]:
        """Make a change; returns the output of the process."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            stdin.write(json.dumps([operation, *arguments]).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
        assert line, f"the writer died over {operation}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        processes.stop(self._process)


@dataclass(frozen=True)
class Place:
    """An API with an API secret of its backend, and an organization that has keys for the API."""

    organization: str
    api: str
    api_secret: str = field(repr=False)


@dataclass
class Recording:
    """The recorded subjects, the durations of changes, and the number of pending changes."""

    subjects: list[Subject] = field(default_factory=list)
    took_ms: list[int] = field(default_factory=list)
    pending: int = 0

    @property
    def codes(self) -> Counter[str]:
        """The number of answers by code."""
        return Counter(answer.code for subject in self.subjects for answer in subject.answers)

    @property
    def late(self) -> list[str]:
        """The answers that show a state outside its time."""
        return [late for subject in self.subjects for late in subject.late()]

    @property
    def back(self) -> list[str]:
        """The answers that show an older state than an earlier answer."""
        return [back for subject in self.subjects for back in subject.back()]

    def figures(self) -> str:
        """The figures of the recording in one line."""
        refused = sum(count for code, count in self.codes.items() if code.startswith("5"))
        return (
            f"{self.codes.total():,} answers ({refused} of them 503), {len(self.took_ms):,} changes ({self.pending}"
            f" pending); never goes back: {len(self.late)} late, {len(self.back)} back;"
            f" a change answered after {statistics.median(self.took_ms):.0f} ms, at most {max(self.took_ms)} ms"
        )


class Recorder:
    """Runs writers and clients, and records their changes and answers."""

    questions: ClassVar[Sequence[Callable[[Subject], Question]]] = (validation, introspection)

    def __init__(
        self,
        url: str,
        writers: Sequence[Writer],
        *,
        here: Place,
        there: Place,
        pause_s: float = 0.1,
        rest_s: float = 0.0,
    ) -> None:
        self._address = urlsplit(url).netloc
        self._writers = writers
        self._here = here  # the place where single keys change
        self._there = there  # the place whose organization is suspended and whose API is disabled
        self._pause_s = pause_s  # of a writer, between changes
        self._rest_s = rest_s  # of a client, between questions
        self._recording = Recording()
        self._lasting: list[Subject] = []  # subjects that are asked about for longer, whatever their age
        self._stop = threading.Event()

    def run(self, for_s: float, *, disturb: Callable[[], None] = lambda: None) -> Recording:
        """Record for ``for_s`` seconds and call ``disturb`` half-way; raises the first exception of a thread."""
        writing = self._changes()
        with ThreadPoolExecutor(CLIENTS + len(writing)) as threads:
            jobs = [threads.submit(self._repeat, once) for once in writing]
            jobs += [threads.submit(self._ask_all) for _ in range(CLIENTS)]
            try:
                time.sleep(for_s / 2)
                disturb()
                time.sleep(for_s / 2)
            finally:
                self._stop.set()
            for job in jobs:
                job.result()
        return self._recording

    # --- changes -------------------------------------------------------------------------------------------------

    def _changes(self) -> list[Callable[[], Iterator[None]]]:
        return [self._revoke, self._disable, self._cut, self._roll, self._outlive, self._suspend(), self._disable_api()]

    def _repeat(self, once: Callable[[], Iterator[None]]) -> None:
        while not self._stop.is_set():
            for _ in once():
                self._stop.wait(_random.uniform(0, 2 * self._pause_s))

    def _do(self, operation: str, *arguments: Any) -> dict[str, Any]:
        done = _random.choice(self._writers).do(operation, *arguments)
        self._recording.took_ms.append(done["took_ms"])
        self._recording.pending += done["is_pending"]
        return done

    def _issue(self, kind: str, organization: str, place: Place, *scopes: str) -> tuple[str, Subject]:
        done = self._do("issue", organization, place.api, *scopes)
        key, secret = done["made"]
        return key, self._add(Subject(kind, place.api_secret, secret, [_change(done, "VALID")], scopes[-1:]))

    def _add(self, subject: Subject) -> Subject:
        self._recording.subjects.append(subject)
        return subject

    def _revoke(self) -> Iterator[None]:
        """Revoke a key by two writers at once: neither may return before the revocation is in effect."""
        key, subject = self._issue("revoke", self._here.organization, self._here)
        yield
        with ThreadPoolExecutor(len(self._writers)) as both:
            done = list(both.map(lambda writer: writer.do("revoke", key), self._writers))
        self._recording.took_ms += [each["took_ms"] for each in done]
        started = min(each["started"] for each in done)
        plain = [each["ended"] for each in done if not each["is_pending"]]
        ended = min(plain or [each["ended"] for each in done])
        subject.changes.append(Change(started, ended, "REVOKED", is_pending=not plain))
        yield

    def _disable(self) -> Iterator[None]:
        key, subject = self._issue("disable", self._here.organization, self._here)
        yield
        yield from self._alternate(subject, (("disable", key), "DISABLED"), (("enable", key), "VALID"))

    def _cut(self) -> Iterator[None]:
        key, subject = self._issue("cut", self._here.organization, self._here, "orders:read", "orders:write")
        yield
        cut, widen = ("cut", key, "orders:read"), ("cut", key, "orders:read", "orders:write")
        yield from self._alternate(subject, (cut, "INSUFFICIENT_SCOPE"), (widen, "VALID"))

    def _suspend(self) -> Callable[[], Iterator[None]]:
        organization = self._there.organization
        _, subject = self._issue("suspend", organization, self._here)
        self._lasting.append(subject)
        suspend, resume = ("suspend", organization), ("resume", organization)
        return lambda: self._alternate(subject, (suspend, "ORGANIZATION_SUSPENDED"), (resume, "VALID"))

    def _disable_api(self) -> Callable[[], Iterator[None]]:
        _, subject = self._issue("API", self._here.organization, self._there)
        self._lasting.append(subject)
        api = self._there.api
        return lambda: self._alternate(subject, (("disable_api", api), "401"), (("enable_api", api), "VALID"))

    def _alternate(self, subject: Subject, *steps: tuple[tuple[str, ...], str]) -> Iterator[None]:
        for (operation, *arguments), code in steps * 2:
            subject.changes.append(_change(self._do(operation, *arguments), code))
            yield

    def _roll(self) -> Iterator[None]:
        key, old = self._issue("roll, the old secret", self._here.organization, self._here)
        yield
        done = self._do("roll", key, 3600)
        self._add(Subject("roll, the new secret", self._here.api_secret, done["made"], [_change(done, "VALID")]))
        yield
        old.changes.append(_change(self._do("end_oldest", key), "SUPERSEDED"))
        yield

    def _outlive(self) -> Iterator[None]:
        """Roll a key and let the old secret's overlap end by the clock."""
        key, old = self._issue("outlived", self._here.organization, self._here)
        yield
        done = self._do("roll", key, OVERLAP_S)
        old.changes.append(Change(done["started"] + OVERLAP_S, done["ended"] + OVERLAP_S, "SUPERSEDED"))
        self._ask_on(old, for_s=2 * OVERLAP_S)
        yield

    def _ask_on(self, subject: Subject, *, for_s: float) -> None:
        """Keep asking about the subject for ``for_s`` seconds, even if there are many newer ones."""
        self._lasting.append(subject)
        self._stop.wait(for_s)
        self._lasting.remove(subject)

    # --- requests ------------------------------------------------------------------------------------------------

    def _ask_all(self) -> None:
        kept = http.client.HTTPConnection(self._address, timeout=GIVE_UP_S)
        try:
            while not self._stop.is_set():
                if _random.random() < NEW_CONNECTION:
                    new = http.client.HTTPConnection(self._address, timeout=GIVE_UP_S)
                    self._ask(new)
                    new.close()
                else:
                    self._ask(kept)
                if self._rest_s:
                    self._stop.wait(self._rest_s)
        finally:
            kept.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        subject = _random.choice(self._lasting + self._recording.subjects[-SUBJECTS_ASKED:])
        question = _random.choice(self.questions)(subject)
        headers = {"Authorization": f"Bearer {subject.api_secret}", "Content-Type": question.media_type}
        started = time.monotonic()
        connection.request("POST", question.path, question.body, headers)
        with connection.getresponse() as response:
            status, text = response.status, response.read()
        ended = time.monotonic()
        code = question.read(json.loads(text)) if status == http.client.OK else str(status)
        subject.answers.append(Answer(started, ended, code, response.headers.get("X-Process", "")))


def _change(done: Mapping[str, Any], code: str) -> Change:
    return Change(done["started"], done["ended"], code, is_pending=done["is_pending"])


class ValidationRecorder(Recorder):
    """A recorder that asks only ``/v1/validate``."""

    questions = (validation,)


@contextmanager
def writers(environ: Mapping[str, str], *, number: int = 2) -> Iterator[list[Writer]]:
    """Run ``number`` writers next to a portal, with its environment."""
    with ExitStack() as stack:
        made = [Writer(environ) for _ in range(number)]
        for writer in made:
            stack.callback(writer.close)
        yield made
