"""Helpers for HTML: attributes and icons, escaped."""

import re
from collections.abc import Mapping
from functools import lru_cache

import heroicons
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

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
