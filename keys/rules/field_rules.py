"""Check the fields of a credential: names, scopes, networks, limits. Pure; each check raises ValueError.

Each error message is written for the person who typed the value.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypedDict

from portal.edge.proxies import parse_network
from portal.limit_words import rate_limit_words
from portal.names import clean_name, normal_name

MAX_AGENT_CHARS = 200
MAX_NOTE_CHARS = 200
MAX_SCOPES = 500
MAX_SCOPE_CHARS = 128
MAX_NETWORKS = 100
BAD_LINES_NAMED = 10
MAX_RATE_LIMITS = 4
MAX_LIMIT_NAME_CHARS = 32
MAX_RATE = 1_000_000
MAX_WINDOW_S = 31 * 24 * 3600
MAX_QUOTA = 1_000_000_000
REFILLS = ("none", "day", "month")
MAX_OVERLAP = timedelta(days=30)
DEFAULT_TOKEN_LIFETIME_S = 900
MIN_TOKEN_LIFETIME_S, MAX_TOKEN_LIFETIME_S = 60, 86_400
# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")
_LIMIT_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_RATE_LIMIT = re.compile(r"(?:(?P<name>[a-z][a-z0-9_-]{0,31})=)?(?P<limit>\d{1,7})/(?P<window_s>\d{1,7})", re.ASCII)
_QUOTA = re.compile(r"(?P<limit>\d{1,10})(?:/(?P<refill>day|month))?", re.ASCII)


class RateLimit(TypedDict):
    """``limit`` requests per ``window_s`` seconds, under a name that responses and headers show."""

    name: str
    limit: int
    window_s: int


class QuotaLimit(TypedDict):
    """``limit`` uses in all (refill ``none``), or per UTC ``day`` or ``month``."""

    limit: int
    refill: str


def clean_note(text: str) -> str:
    """Clean a note by the rules of a name, at most 200 characters; it may be empty."""
    return clean_name(text, max_chars=MAX_NOTE_CHARS) if normal_name(text) else ""


def is_scope(text: str) -> bool:
    """Tell whether the text is one scope of the RFC 6749 §3.3 grammar, at most 128 characters."""
    return _SCOPE.fullmatch(text) is not None


def clean_scopes(names: Iterable[str], *, grantable: Iterable[str]) -> list[str]:
    """Return the scopes sorted, without duplicates; raises ValueError naming scopes that the API does not have."""
    scopes = sorted(set(names))
    if len(scopes) > MAX_SCOPES:
        raise ValueError(f"Choose at most {MAX_SCOPES} scopes.")
    known = set(grantable)
    unknown = [scope for scope in scopes if scope not in known]
    if unknown:
        raise ValueError(f"This API has no scope {', '.join(repr(scope) for scope in unknown[:3])}.")
    return scopes


def clean_networks(lines: Iterable[str]) -> list[str]:
    """Return the networks in the canonical form of ``portal.edge.proxies``, without duplicates, in the order given.

    ``#`` starts a comment; empty lines are ignored.
    """
    networks: dict[str, None] = {}
    bad: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            network = parse_network(text)
        except ValueError:
            bad.append(f"Line {number} has {text[:50]!r}.")
        else:
            networks[str(network)] = None
    if bad:
        named = [*bad[:BAD_LINES_NAMED], *(["There are more."] if len(bad) > BAD_LINES_NAMED else [])]
        raise ValueError(f"Use a network like 203.0.113.0/24. {' '.join(named)}")
    if len(networks) > MAX_NETWORKS:
        raise ValueError(f"At most {MAX_NETWORKS} networks; this has {len(networks)}.")
    return list(networks)


def parse_networks(text: str) -> list[str]:
    """Parse and check networks, one per line."""
    return clean_networks(text.splitlines())


def parse_rate_limit(text: str) -> RateLimit:
    """Parse ``100/60`` or ``daily=10000/86400``: requests per seconds, with a name if there are several limits."""
    match = _RATE_LIMIT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"Write a limit as requests/seconds, such as 100/60; this is {text[:50]!r}.")
    return RateLimit(name=match["name"] or "default", limit=int(match["limit"]), window_s=int(match["window_s"]))


def parse_rate_limits(text: str) -> list[RateLimit]:
    """Parse and check limits, one per line."""
    return clean_rate_limits([parse_rate_limit(line) for line in text.splitlines() if line.strip()])


def spell_rate_limit(limit: RateLimit) -> str:
    """Spell the limit as ``parse_rate_limit`` reads it."""
    spelled = f"{limit['limit']}/{limit['window_s']}"
    return spelled if limit["name"] == "default" else f"{limit['name']}={spelled}"


def rate_words(rate_limits: Iterable[RateLimit]) -> str:
    """Describe limits: ``100 requests a minute and 10,000 requests in 90 s``; empty for none."""
    return " and ".join(rate_limit_words(limit["limit"], limit["window_s"]) for limit in rate_limits)


def clean_rate_limits(limits: Sequence[RateLimit]) -> list[RateLimit]:
    """Check the limits: at most 4, different names, at least 1 request, windows from 1 second to 31 days."""
    if len(limits) > MAX_RATE_LIMITS:
        raise ValueError(f"At most {MAX_RATE_LIMITS} limits.")
    if len({limit["name"] for limit in limits}) != len(limits):
        raise ValueError("Two limits have the same name.")
    for limit in limits:
        name = limit["name"]
        if not _LIMIT_NAME.fullmatch(name):
            raise ValueError(
                f"A limit's name starts with a-z and goes on with a-z, 0-9, _ or -; this is {name[:50]!r}."
            )
        if len(name) > MAX_LIMIT_NAME_CHARS:
            raise ValueError(f"A limit's name has at most {MAX_LIMIT_NAME_CHARS} characters; this is {name[:50]!r}.")
        if not 1 <= limit["limit"] <= MAX_RATE:
            raise ValueError(f"Allow between 1 and {MAX_RATE:,} requests.")
        if not 1 <= limit["window_s"] <= MAX_WINDOW_S:
            raise ValueError("Choose a window between 1 second and 31 days.")
    return list(limits)


def clean_token_lifetime(seconds: int) -> int:
    """Check the lifetime of an access token: between a minute and a day."""
    if not MIN_TOKEN_LIFETIME_S <= seconds <= MAX_TOKEN_LIFETIME_S:
        raise ValueError(f"Choose a lifetime between {MIN_TOKEN_LIFETIME_S} and {MAX_TOKEN_LIFETIME_S:,} seconds.")
    return seconds


def parse_quota(text: str) -> QuotaLimit | None:
    """Parse and check ``10`` (uses in all), ``10/day`` or ``10/month``; an empty text means no quota."""
    if not text.strip():
        return None
    match = _QUOTA.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"Write a quota as 10000, 10000/day or 10000/month; this is {text[:50]!r}.")
    return clean_quota(QuotaLimit(limit=int(match["limit"]), refill=match["refill"] or "none"))


def clean_quota(quota: QuotaLimit | None) -> QuotaLimit | None:
    """Check the quota: at least one use."""
    if quota is None:
        return None
    if not 1 <= quota["limit"] <= MAX_QUOTA:
        raise ValueError(f"Allow between 1 and {MAX_QUOTA:,} uses.")
    if quota["refill"] not in REFILLS:
        raise ValueError("A quota is for good, for each day or for each month.")
    return QuotaLimit(limit=quota["limit"], refill=quota["refill"])
