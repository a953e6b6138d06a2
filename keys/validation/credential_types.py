"""The kinds of credential there are. Each registers how it recognises its own texts; the engine knows none by name."""

from collections.abc import Callable, Mapping
from typing import Protocol

from keys.validation.peppers import Outdated
from keys.validation.types import Audience, Call, Snapshot, Verdict
from keys.validation.verdict import MALFORMED

Snapshots = Mapping[str, Snapshot]
MAX_CREDENTIAL_CHARS = 16_384


class Credential(Protocol):
    """One credential as it was presented: what must be read to find it. It shows nobody its text."""

    def names_for(self, audience: Audience | None, /) -> tuple[str, ...]:
        """The snapshots to read first: those that it is found by; and what it led this audience to before.

        No other audience, else the time would tell that it exists.
        """

    def find(self, found: Snapshots, audience: Audience | None, *, now: float) -> "Known | Verdict":
        """What was found; for another audience the verdict at once, so that it costs no more than what is unknown."""


class Known(Protocol):
    """A credential that was found: what else must be read for it, and what follows."""

    @property
    def names(self) -> tuple[str, ...]:
        """The snapshots that it leads to."""

    @property
    def outdated(self) -> Outdated | None:
        """What was found under an older pepper than the first."""

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """The verdict, from all that was found."""


# The credential that a text spells, the verdict where that needs no look-up, None where the text is of another kind.
Recognise = Callable[[str], Credential | Verdict | None]
_kinds: list[Recognise] = []


def register_kind(recognise: Recognise) -> None:
    """Add a kind of credential. Shapes must not overlap: the first kind that claims a text has it."""
    if recognise not in _kinds:
        _kinds.append(recognise)


def recognise(text: str) -> Credential | Verdict:
    """What the text is, without any look-up; MALFORMED where no kind claims it."""
    if len(text) > MAX_CREDENTIAL_CHARS:
        return MALFORMED
    for kind in _kinds:
        found = kind(text)
        if found is not None:
            return found
    return MALFORMED
