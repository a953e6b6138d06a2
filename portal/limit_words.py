"""Rate limits and quotas in words. Pure."""

_WINDOWS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}


def rate_limit_words(limit: int, window_s: int) -> str:
    """Return, for example, ``100 requests a minute`` or ``1 request in 90 s``."""
    noun = "request" if limit == 1 else "requests"
    return f"{limit:,} {noun} {_WINDOWS.get(window_s, f'in {window_s:,} s')}"


def quota_words(limit: int, refill: str) -> str:
    """Return, for example, ``1,000 uses a month`` or ``1,000 uses in all``."""
    return f"{limit:,} {'use' if limit == 1 else 'uses'} {'in all' if refill == 'none' else f'a {refill}'}"
