"""Check every state that a model can reach, breadth first. Standard library only."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Explored:
    """The number of states, and the shortest trace to a wrong one; the trace is empty if there is none."""

    states: int
    trace: tuple[str, ...] = ()


def search(
    first: S,
    *,
    moves: Callable[[S], Iterable[tuple[str, S]]],
    wrong: Callable[[S], str | None],
    reduce: Callable[[S], S | None],
    at_most: int = 3_000_000,
) -> Explored:
    """Search all states from ``first``; ``reduce`` merges equivalent ones and drops harmless ones (None).

    Raises OverflowError for more than ``at_most`` states.
    """
    came_from: dict[S, tuple[S, str] | None] = {first: None}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        for label, reached in moves(state):
            if found := wrong(reached):
                return Explored(len(came_from), (*_trace(came_from, state), label, found))
            kept = reduce(reached)
            if kept is not None and kept not in came_from:
                came_from[kept] = (state, label)
                waiting.append(kept)
        if len(came_from) > at_most:
            raise OverflowError(at_most)
    return Explored(len(came_from))


def _trace(came_from: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    steps = []
    while (step := came_from[state]) is not None:
        state, label = step
        steps.append(label)
    return tuple(reversed(steps))
