"""Find the answers about a changing secret that break the promise of revocation.

One property of each subject changes, one change after another, so that its history is a list of states. An answer is

- *late* if it shows a state that was over before the answer started, or that had not begun when the answer ended. A
  state may be seen from the start of its change until the next change returns with a status other than 202;
- *back* if it shows an older state than an earlier answer. The earlier answer counts for the same process at once. It
  counts for every process once the change has returned (a 202 too), or one lease after the earlier answer.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from keys.validation.cache.lease import USE_S


@dataclass(frozen=True)
class Change:
    """One change: its start, its return, and the code that is right after it; ``is_pending`` stands for a 202."""

    started: float
    ended: float
    code: str
    is_pending: bool = False


@dataclass(frozen=True)
class Answer:
    """One answer: the times of its request and of its last byte, its code, and the process that gave it."""

    started: float
    ended: float
    code: str
    process: str = ""

    def tells_of(self, state: str) -> bool:
        """Whether the answer is right in that state; introspection says only active or inactive."""
        return self.code in {state, "ACTIVE" if state == "VALID" else "INACTIVE"}


class Floor:
    """The newest state that was certainly shown before a given time."""

    def __init__(self) -> None:
        self._shown: list[tuple[float, int]] = []
        self._state = 0

    def show(self, state: int, *, counts_from: float) -> None:
        """Record that the state was shown: older states are wrong from ``counts_from`` on."""
        heappush(self._shown, (counts_from, state))

    def at(self, instant: float) -> int:
        """The oldest state that an answer starting at ``instant`` may show. Calls have to be in the order of time."""
        while self._shown and self._shown[0][0] <= instant:
            self._state = max(self._state, heappop(self._shown)[1])
        return self._state


@dataclass(eq=False)
class Subject:
    """A secret with its changes in order, and the answers about it."""

    kind: str
    api_secret: str = field(repr=False)
    credential: str = field(repr=False)
    changes: list[Change]
    scopes: tuple[str, ...] = ()
    answers: list[Answer] = field(default_factory=list)

    def late(self) -> list[str]:
        """The answers that show a state that was over before they started, or had not begun when they ended."""
        return [self._words(answer) for answer, states in self._read() if not states]

    def back(self) -> list[str]:
        """The answers that are not late but show an older state than an earlier answer."""
        everywhere, of_process = Floor(), defaultdict[str, Floor](Floor)
        found = []
        for answer, states in self._read():
            if not states:
                continue
            own = of_process[answer.process or str(id(answer))]
            floor = max(everywhere.at(answer.started), own.at(answer.started))
            shown = min((state for state in states if state >= floor), default=None)
            if shown is None:
                found.append(self._words(answer))
                continue
            answered_at = self.changes[shown].ended
            own.show(shown, counts_from=answer.ended)
            everywhere.show(shown, counts_from=max(answer.ended, min(answered_at, answer.ended + USE_S)))
        return found

    def _read(self) -> Iterator[tuple[Answer, list[int]]]:
        """The answers in the order of their starts, each with the states that it may show; a 5xx shows none."""
        over, spans = inf, []
        for state, change in reversed(list(enumerate(self.changes))):
            spans.append((state, change, over))
            if not change.is_pending:
                over = min(over, change.ended)
        for answer in sorted(self.answers, key=lambda answer: answer.started):
            if not answer.code.startswith("5"):
                yield (
                    answer,
                    [
                        state
                        for state, change, over in spans
                        if answer.tells_of(change.code) and change.started <= answer.ended and answer.started <= over
                    ],
                )

    def _words(self, answer: Answer) -> str:
        return (
            f"{self.kind}: {answer.code}, asked at {answer.started:.4f}, answered at {answer.ended:.4f} by process"
            f" {answer.process}: {self.changes}"
        )
