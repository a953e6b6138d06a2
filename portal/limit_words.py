"""Rate limits in words. Pure."""

_WINDOWS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}


def rate_limit_words(limit: int, window_s: int) -> str:
    """Return, for example, ``100 requests a minute`` or ``1 request in 90 s``."""
    noun = "request" if limit == 1 else "requests"
    return f"{limit:,} {noun} {_WINDOWS.get(window_s, f'in {window_s:,} s')}"
