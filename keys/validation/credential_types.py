"""The registry of credential types. Each type registers a parser for its own texts; the engine names no type.

A type is pure: it parses, resolves and decides, and remembers nothing. ``credential_cache`` remembers for all types.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from keys.rules.secret import kind_of
from keys.validation.peppers import StaleDigest
from keys.validation.types import Audience, Call, Snapshot, Verdict
from keys.validation.verdict import MALFORMED, NOT_FOUND

Snapshots = Mapping[str, Snapshot]


class Period(NamedTuple):
    """From ``begins`` to ``ends``, in seconds since the epoch."""

    begins: float
    ends: float


class ParsedCredential(Protocol):
    """One presented credential, not yet looked up. The credential's text appears in no repr."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the credential's own snapshots."""

    def resolve(self, found: Snapshots, audience: Audience | None, now: float, /) -> "ResolvedCredential | Verdict":
        """Return the found credential, or the refusal.

        A credential for another audience is refused at once, so that it takes no longer than an unknown one.
        """


class ResolvedCredential(Protocol):
    """A credential whose own snapshots were found."""

    @property
    def parsed(self) -> ParsedCredential:
        """The credential as it is to be kept: what was proved once for good is not proved again."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the other snapshots that the decision needs."""

    @property
    def stale_digest(self) -> StaleDigest | None:
        """The secret's digests, if it is stored under an older pepper than the first."""

    @property
    def reusable(self) -> Period | None:
        """When an allowed verdict holds for every call that needs no more scopes.

        None if a verdict depends on more of the call than its scopes, such as its address.
        """

    def decide(self, found: Snapshots, call: Call, now: float, /) -> Verdict:
        """Decide whether the credential may make the call, from the snapshots read."""


# Parse a text: the credential, or the verdict if no lookup is needed; None if the text belongs to another type.
Parser = Callable[[str], ParsedCredential | Verdict | None]
_parsers: list[Parser] = []


def register_credential_type(parser: Parser) -> None:
    """Register a credential type. Text formats must not overlap: the first parser that accepts a text wins."""
    if parser not in _parsers:
        _parsers.append(parser)


def parse(text: str) -> ParsedCredential | Verdict:
    """Parse the text with each registered type, without any lookup.

    If no type accepts the text, a well-formed secret, such as an API secret, is NOT_FOUND, and all else MALFORMED.
    """
    for parser in _parsers:
        found = parser(text)
        if found is not None:
            return found
    return MALFORMED if kind_of(text) is None else NOT_FOUND
