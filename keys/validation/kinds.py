"""The kinds of credential there are. Each registers how it recognises its own texts; the engine knows none by name."""

from collections.abc import Callable, Mapping
from typing import Protocol

from keys.validation.peppers import Outdated
from keys.validation.shapes import Audience, Call, Snapshot, Verdict
from keys.validation.verdict import MALFORMED

Snapshots = Mapping[str, Snapshot]


class Credential(Protocol):
    """One credential as it was presented: what must be read for it, and what follows. It does not keep its text."""

    @property
    def names(self) -> tuple[str, ...]:
        """The snapshots to read first."""

    def more(self, found: Snapshots, audience: Audience | None) -> tuple[str, ...]:
        """The snapshots that those found lead to; for another audience none, so that it costs no more than unknown."""

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """The verdict, from all that was found."""

    def outdated(self, found: Snapshots) -> Outdated | None:
        """What was found under an older pepper than the first."""


# The credential that a text spells, the verdict where that needs no look-up, None where the text is of another kind.
Recognise = Callable[[str], Credential | Verdict | None]
_kinds: list[Recognise] = []


def register_kind(recognise: Recognise) -> None:
    """Add a kind of credential. Shapes must not overlap: the first kind that claims a text has it."""
    if recognise not in _kinds:
        _kinds.append(recognise)


def recognise(text: str) -> Credential | Verdict:
    """What the text is, without any look-up; MALFORMED where no kind claims it."""
    for kind in _kinds:
        found = kind(text)
        if found is not None:
            return found
    return MALFORMED
