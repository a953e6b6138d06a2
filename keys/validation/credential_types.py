"""The registry of credential types. Each type registers a parser for its own texts; the engine names no type."""

from collections.abc import Callable, Mapping
from typing import Protocol

from keys.validation.peppers import StaleDigest
from keys.validation.types import Audience, Call, Snapshot, Verdict
from keys.validation.verdict import MALFORMED

Snapshots = Mapping[str, Snapshot]
MAX_CREDENTIAL_CHARS = 16_384


class ParsedCredential(Protocol):
    """One presented credential, not yet looked up, or an early verdict. The credential's text appears in no repr."""

    def lookup_names(self, audience: Audience | None, /) -> tuple[str, ...]:
        """Names of the snapshots to read first: the credential's own, plus prefetches.

        Prefetch only what this same audience found before. Prefetching for another audience would reveal, by timing,
        that the credential exists.
        """

    def resolve(self, found: Snapshots, audience: Audience | None, *, now: float) -> "ResolvedCredential":
        """Return the found credential, or the verdict that stands in for it.

        A credential for another audience gets its verdict at once, so that it takes no longer than an unknown one.
        """


class ResolvedCredential(Protocol):
    """A credential whose own snapshot was found, or the verdict that stands in for it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the other snapshots that the decision needs."""

    @property
    def stale_digest(self) -> StaleDigest | None:
        """The secret's digests, if it is stored under an older pepper than the first."""

    def decide(self, found: Snapshots, call: Call, audience: Audience | None, *, now: float) -> Verdict:
        """Decide whether the credential may make the call, from the snapshots read."""


# Parse a text: the credential, or the verdict if no lookup is needed; None if the text belongs to another type.
Parser = Callable[[str], ParsedCredential | None]
_parsers: list[Parser] = []


def register_credential_type(parser: Parser) -> None:
    """Register a credential type. Text formats must not overlap: the first parser that accepts a text wins."""
    if parser not in _parsers:
        _parsers.append(parser)


def parse(text: str) -> ParsedCredential:
    """Parse the text with each registered type, without any lookup; MALFORMED if no type accepts it."""
    if len(text) > MAX_CREDENTIAL_CHARS:
        return MALFORMED
    for parser in _parsers:
        found = parser(text)
        if found is not None:
            return found
    return MALFORMED
