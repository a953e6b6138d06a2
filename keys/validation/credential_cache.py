"""Remember credentials that were found, and allowed verdicts on them. The one cache around ``parse`` and ``decide``.

Each call still resolves the credential from the snapshots that were read for it. So a remembered credential is looked
up, and its audience checked, like any other.

Without this cache, a warm validation of a key takes 30 % more CPU time, and one of a token, whose signature would be
checked each time, more than twice as much (``make bench``).
"""

from msgspec import Struct

from keys.validation.credential_types import ParsedCredential, ResolvedCredential, Snapshots, parse
from keys.validation.digest_cache import Basis, DigestCache, keyed_digest
from keys.validation.types import Audience, Call, Code, Verdict
from keys.validation.verdict import MALFORMED

MAX_CREDENTIAL_CHARS = 16_384
MAX_REMEMBERED = 20_000


class CachedVerdict(Struct, frozen=True, gc=False):
    """An allowed verdict, reused for calls that need the same or fewer scopes.

    Without it, a warm validation takes 6 % more CPU time for a key, and 12 % more for a token (``make bench``).

    It applies until a snapshot behind it is replaced or its period is over. A verdict that comes to depend on more of
    the call, such as its path, must check that in ``applies_to`` too.
    """

    verdict: Verdict
    scopes: frozenset[str]
    begins: float
    ends: float
    basis: Basis

    def applies_to(self, found: Snapshots, call: Call, now: float) -> bool:
        """Tell whether this verdict is that on the call at ``now``."""
        return self.begins <= now < self.ends and call.scopes <= self.scopes and self.basis.is_current(found)


class CachedCredential:
    """A presented credential, with what was found out about it in earlier calls of this process."""

    __slots__ = ("_audience", "_cache_key", "_cached_verdict", "_more_names", "_parsed")

    def __init__(self, cache_key: bytes, parsed: ParsedCredential) -> None:
        self._cache_key = cache_key
        self._parsed = parsed
        self._audience: Audience | None = None  # the last audience for which the credential was found
        self._more_names: tuple[str, ...] | None = None  # what its decision then needed besides; None if never found
        self._cached_verdict: CachedVerdict | None = None

    def lookup_names(self, audience: Audience | None) -> tuple[str, ...]:
        """Names of the snapshots to read first: the credential's own, plus prefetches.

        Prefetch only what this same audience found before. Prefetching for another audience would reveal, by timing,
        that the credential exists. Without prefetches, a validation from the database reads twice, and takes 60 % more
        CPU time (``make bench``).
        """
        names = self._parsed.names
        return names if self._more_names is None or audience != self._audience else names + self._more_names

    def resolve(self, found: Snapshots, audience: Audience | None, now: float) -> ResolvedCredential | Verdict:
        """Return the found credential, or the refusal. Only a credential that was found is remembered."""
        resolved = self._parsed.resolve(found, audience, now)
        if isinstance(resolved, Verdict):
            return resolved
        if self._more_names is None:
            _CACHE.remember(self._cache_key, self)
        self._parsed, self._audience, self._more_names = resolved.parsed, audience, resolved.names
        return resolved

    def decide(self, resolved: ResolvedCredential | Verdict, found: Snapshots, call: Call, now: float) -> Verdict:
        """Return the verdict on the call of the credential that ``resolve`` has returned for it."""
        if isinstance(resolved, Verdict):
            return resolved
        cached = self._cached_verdict
        if cached is not None and cached.applies_to(found, call, now):
            return cached.verdict
        verdict, period = resolved.decide(found, call, now), resolved.reusable
        if verdict.code is Code.VALID and verdict.principal is not None and period is not None:
            scopes, basis = frozenset(verdict.principal.scopes), Basis.of(found, self._parsed.names + resolved.names)
            self._cached_verdict = CachedVerdict(verdict, scopes, period.begins, period.ends, basis)
        return verdict


_CACHE: DigestCache[CachedCredential] = DigestCache(MAX_REMEMBERED)


def cached_parse(text: str) -> CachedCredential | Verdict:
    """Parse the text, or return the credential that was found under it before; the verdict if no lookup is needed."""
    if len(text) > MAX_CREDENTIAL_CHARS or not text.isascii():
        return MALFORMED
    cache_key = keyed_digest(text.encode())
    cached = _CACHE.get(cache_key)
    if cached is not None:
        return cached
    parsed = parse(text)
    return parsed if isinstance(parsed, Verdict) else CachedCredential(cache_key, parsed)
