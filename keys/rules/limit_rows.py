"""Read rate limits and quotas from the rows of a form, and write them as rows. Pure; readers raise ValueError.

A row of a rate limit is its number of requests, its window in seconds and its name; a row of a quota is its number of
uses and its refill.
"""

import re
from collections.abc import Iterable

from keys.rules.field_rules import QuotaLimit, RateLimit, clean_quota, clean_rate_limits
from portal.fields import Rows

UNITS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
_DIGITS = re.compile(r"[0-9]{1,12}")


def parse_rate_limit_rows(rows: Rows) -> list[RateLimit]:
    """Parse and check limits. The first without a name is called ``default``, the others for their window."""
    limits: list[RateLimit] = []
    for number, (typed, per, name) in enumerate(rows.cells, start=1):
        where = f"Limit {number}: " if len(rows.cells) > 1 else ""
        window_s = _number(per, f"{where}Choose one of the periods")
        is_default = all(limit["name"] != "default" for limit in limits)
        unnamed = "default" if is_default else f"per-{UNITS.get(window_s, window_s)}"
        limit = _number(typed, f"{where}Write the number of requests in digits")
        limits.append(RateLimit(name=name.strip() or unnamed, limit=limit, window_s=window_s))
    return clean_rate_limits(limits)


def rate_limit_rows(limits: Iterable[RateLimit]) -> Rows:
    """Write the limits as ``parse_rate_limit_rows`` reads them."""
    return Rows(
        [
            (str(limit["limit"]), str(limit["window_s"]), "" if limit["name"] == "default" else limit["name"])
            for limit in limits
        ]
    )


def parse_quota_rows(rows: Rows) -> QuotaLimit | None:
    """Parse and check a quota; no row means no quota."""
    if not rows.cells:
        return None
    limit, refill = rows.cells[0]
    return clean_quota(QuotaLimit(limit=_number(limit, "Write the number of uses in digits"), refill=refill))


def quota_rows(quota: QuotaLimit | None) -> Rows:
    """Write the quota as ``parse_quota_rows`` reads it."""
    return Rows([(str(quota["limit"]), quota["refill"])] if quota else [])


def window_words(seconds: str) -> str:
    """Describe a window in the largest unit that divides it: ``90 seconds``, ``7 days``."""
    if not _DIGITS.fullmatch(seconds) or not int(seconds):
        return seconds
    unit_s = max(unit_s for unit_s in UNITS if int(seconds) % unit_s == 0)
    count = int(seconds) // unit_s
    return UNITS[unit_s] if count == 1 else f"{count:,} {UNITS[unit_s]}s"


def _number(text: str, request: str) -> int:
    digits = text.replace(",", "").strip()
    if not _DIGITS.fullmatch(digits):
        raise ValueError(f"{request}; this is {text[:50]!r}." if text.strip() else f"{request}.")
    return int(digits)
