"""What was answered about a secret while it changed, and which of the answers break the promise.

One thing changes about each subject, by one change after the other, so its history is a list of states. An answer is

- *late* if it shows a state that was over before it started, or that had not begun when it ended. A state may be seen
  from the start of the change that brought it until the return of the next that is no 202;
- *back* if it shows an older state than an answer before it did: of the same process, ever; of any process, if it
  starts after the change has answered, a 202 too, or more than a lease after that answer.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from keys.validation.cache.lease import USE_S


@dataclass(frozen=True)
class Change:
    """One change: when it was begun, when it had returned, and what is answered under it."""

    started: float
    ended: float
    code: str
    is_pending: bool = False


@dataclass(frozen=True)
class Answer:
    """One answer: when it was asked for and read, and the process that gave it."""

    started: float
    ended: float
    code: str
    process: str = ""

    def tells_of(self, state: str) -> bool:
        """Whether it is what is to be answered in that state; introspection gives no reasons."""
        return self.code in {state, "ACTIVE" if state == "VALID" else "INACTIVE"}


class Floor:
    """The newest state that was surely shown, from an instant on."""

    def __init__(self) -> None:
        self._shown: list[tuple[float, int]] = []
        self._state = 0

    def show(self, state: int, *, counts_from: float) -> None:
        """The state was shown; older ones are wrong from that instant on."""
        heappush(self._shown, (counts_from, state))

    def at(self, instant: float) -> int:
        """The floor for an answer that starts then; instants only grow."""
        while self._shown and self._shown[0][0] <= instant:
            self._state = max(self._state, heappop(self._shown)[1])
        return self._state


@dataclass(eq=False)
class Subject:
    """A secret that is asked about, what is done to it in turn, and what was answered."""

    kind: str
    api_secret: str = field(repr=False)
    credential: str = field(repr=False)
    changes: list[Change]
    scopes: tuple[str, ...] = ()
    answers: list[Answer] = field(default_factory=list)

    def late(self) -> list[str]:
        """The answers that show a state which was over before they started, or not begun when they ended."""
        return [self._words(answer) for answer, states in self._read() if not states]

    def back(self) -> list[str]:
        """The answers that are not late and show a state older than what was shown before."""
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
        """Each answer in the order of their starts, and the states that it may rightly show."""
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
