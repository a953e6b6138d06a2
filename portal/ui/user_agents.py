"""Name the browser or program of a User-Agent header, for display. Pure.

The result is a guess: no decision may depend on it.
"""

from typing import Final

# The first match wins. Edge also claims to be Chrome, Chrome claims to be Safari, and an Android phone names Linux.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_words(user_agent: str) -> str:
    """Return, for example, ``Firefox on Linux``; "An unknown browser" if nothing matches."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return f"{browser or 'A browser'} on {system}" if system else browser or "An unknown browser"


def agent_words(user_agent: str) -> str:
    """Return the words for a browser, such as ``Firefox on Linux``; for another program, its name and version."""
    if any(mark in user_agent for mark, _ in BROWSERS):
        return browser_words(user_agent)
    return next(iter(user_agent.split()), "")
