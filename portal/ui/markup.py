"""Helpers for HTML: attributes, icons and times, escaped."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

import heroicons
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from portal.ui.times import day_words, exact_words, in_zone, relative_words

TONES = frozenset({"ok", "warn", "bad", "info", "mute", "accent"})


def attributes(values: Mapping[str, object]) -> SafeString:
    """Return `` name="value"`` for each attribute.

    Underscores become hyphens. True gives a bare name; None, False and "" give nothing.
    """
    present = (
        (conditional_escape(name.rstrip("_").replace("_", "-")), value)
        for name, value in values.items()
        if value is not None and value is not False and value != ""
    )
    written = (
        f" {name}" if value is True else f' {name}="{conditional_escape(str(value))}"' for name, value in present
    )
    return mark_safe("".join(written))  # noqa: S308  # both parts are escaped above


@lru_cache(maxsize=256)
def svg_icon(name: str, style: str = "outline") -> SafeString:
    """Return a Heroicon as inline SVG, hidden from assistive technology: the text beside it has the meaning."""
    attrs: dict[str, object] = {"class": "icon", "aria_hidden": "true"}
    svg = heroicons._render_icon(style, name, None, attrs)  # noqa: SLF001  # its tags take no attribute named "class"
    return mark_safe(re.sub(r"\s*\n\s*", "", svg))  # noqa: S308  # the package's own drawing; no argument of ours but a known name


def optional_icon(name: str, style: str = "outline") -> SafeString:
    """Return the icon, or nothing without a name."""
    return svg_icon(name, style) if name else SafeString("")


def tone_class(tone: str) -> str:
    """Return the class that colours a component; raise ValueError for an unknown tone."""
    if tone not in TONES:
        raise ValueError(f"no tone {tone!r}: one of {', '.join(sorted(TONES))}")
    return f"tone-{tone}"


def exact_time(at: datetime) -> SafeString:
    """Return the time to the minute, as in the sentences of pages: in the person's zone, with UTC behind it."""
    return time_element(at, "exact")


def time_element(at: datetime, style: str) -> SafeString:
    """Return a ``<time>`` in the current time zone; styles: relative, day, exact. The title is exact.

    static/js/times.js says it in the browser's zone if the person has not chosen one.
    """
    zone = timezone.get_current_timezone()
    exact = exact_words(at, zone)
    words = {
        "relative": lambda: relative_words(at, now=timezone.now(), zone=zone),
        "day": lambda: day_words(at, zone),
        "exact": lambda: exact,
    }
    return format_html(
        '<time datetime="{}Z"{} data-{}>{}</time>',
        in_zone(at, UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
        "" if style == "exact" else format_html(' title="{}"', exact),
        style,
        words[style](),
    )
