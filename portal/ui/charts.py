"""Charts as SVG, rendered on the server without a script and under a strict CSP. Pure: numbers in, markup out.

Widths and heights are attributes, colours are classes. A chart stretches to its box (``preserveAspectRatio="none"``),
so text is HTML beside the drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

HEIGHT = 168
SLOT = 10.0
GAP = 3.0
MINI_HEIGHT = 22
MINI_SLOT = 9


@dataclass(frozen=True)
class Bar:
    """One interval of time; ``allowed`` is None if nothing is known, which is drawn as a gap."""

    label: str
    allowed: int | None
    denied: int = 0

    @property
    def total(self) -> int:
        """Return allowed and denied requests together."""
        return (self.allowed or 0) + self.denied


def nice_ceiling(value: int) -> int:
    """Return the next of 2, 4, 10, 20, 40, 50, 100, … at or above the value: an axis top with a round half."""
    if value <= 2:
        return 2
    magnitude: int = 10 ** floor(log10(value))
    for step in (1, 2, 4, 5, 10):
        if step * magnitude >= value and (step * magnitude) % 2 == 0:
            return step * magnitude
    return 20 * magnitude


def summary(bars: Sequence[Bar]) -> str:
    """Return the chart's content as a sentence: ``184,209 requests, peak 9,412 at 14:00, 0.21% denied``."""
    total, denied = sum(bar.total for bar in bars), sum(bar.denied for bar in bars)
    if not total:
        return "No requests"
    peak = max(bars, key=lambda bar: bar.total)
    return f"{total:,} requests, peak {peak.total:,} at {peak.label}, {denied / total:.2%} denied"


def bar_chart(bars: Sequence[Bar], *, chart_id: str, caption: str) -> SafeString:
    """Return a chart of allowed and denied requests over time, with axis, legend and the same numbers as a table."""
    top = nice_ceiling(max((bar.total for bar in bars), default=0))
    width = SLOT * max(len(bars), 1)
    groups = format_html_join("", "{}", ((_group(bar, index, top, chart_id),) for index, bar in enumerate(bars)))
    svg = format_html(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}: {}">'
        '<defs><pattern id="{}-stripes" width="4" height="4" patternUnits="userSpaceOnUse">'
        '<rect class="bar-2" width="4" height="4"/><path class="bar-hatch" d="M0 3h4"/></pattern></defs>{}{}</svg>',
        width, HEIGHT, caption, summary(bars), chart_id, _grid(width), groups,
    )  # fmt: skip
    return format_html(
        '<figure class="chart"><div class="chart__plot"><div class="chart__axis" aria-hidden="true">'
        "<span>{}</span><span>{}</span><span>0</span></div>{}"
        '<div class="chart__labels" aria-hidden="true">{}</div></div>{}{}</figure>',
        f"{top:,}", f"{top // 2:,}", svg, _labels(bars), _legend(chart_id), _table(bars, caption),
    )  # fmt: skip


def mini_bars(values: Sequence[int], *, label: str) -> SafeString:
    """Return a row's small chart; the label must state the sum, because no other text does.

    Each bar is one stroke, in pixels; the style sheet draws the base line and gives the width of seven bars. A list
    shows fifty of these.
    """
    top = max([*values, 1])
    bars = "".join(
        f"M{index * MINI_SLOT + MINI_SLOT // 2} {MINI_HEIGHT}v-{_number(max(2.0, round(value * MINI_HEIGHT / top)))}"
        for index, value in enumerate(values)
        if value
    )
    return format_html(
        '<svg class="minibars" role="img" aria-label="{}">{}</svg>',
        label,
        format_html('<path d="{}"/>', bars) if bars else "",
    )


def meter(share: float, *, label: str, tone: str = "") -> SafeString:
    """Return a bar that is filled to ``share``, between 0 and 1."""
    width = _number(100 * min(max(share, 0.0), 1.0))
    return format_html(
        '<svg class="meter{}" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="meter__track" width="100" height="6"/><rect class="meter__fill" width="{}" height="6"/></svg>',
        f" tone-{tone}" if tone else "", label, width,
    )  # fmt: skip


def _grid(width: float) -> SafeString:
    lines = ((_number(width), y) for y in (0, HEIGHT // 2, HEIGHT))
    return format_html_join("", '<line class="chart__grid" x2="{0}" y1="{1}" y2="{1}"/>', lines)


def _group(bar: Bar, index: int, top: int, chart_id: str) -> SafeString:
    x, width = _number(index * SLOT + GAP / 2), _number(SLOT - GAP)
    if bar.allowed is None:
        return format_html("<g><title>{}: no data</title></g>", bar.label)
    allowed, denied = bar.allowed * HEIGHT / top, bar.denied * HEIGHT / top
    return format_html(
        '<g class="bar-group"><title>{}: {} allowed, {} denied</title>'
        '<rect class="bar-hit" x="{}" width="{}" height="{}"/>'
        '<rect class="bar-1" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect x="{}" y="{}" width="{}" height="{}" fill="url(#{}-stripes)"/></g>',
        bar.label, f"{bar.allowed:,}", f"{bar.denied:,}",
        _number(index * SLOT), _number(SLOT), HEIGHT,
        x, _number(HEIGHT - allowed), width, _number(allowed),
        x, _number(HEIGHT - allowed - denied), width, _number(denied), chart_id,
    )  # fmt: skip


def _labels(bars: Sequence[Bar]) -> SafeString:
    """Return a place for each bar and at most five labels, evenly spread, so that they fit a phone."""
    step = max(1, ceil(len(bars) / 5))
    return format_html_join(
        "", "<span>{}</span>", (("" if index % step else bar.label,) for index, bar in enumerate(bars))
    )


def _legend(chart_id: str) -> SafeString:
    return format_html(
        '<ul class="chart__legend" role="list"><li><svg viewBox="0 0 12 12" aria-hidden="true">'
        '<rect class="bar-1" width="12" height="12" rx="2"/></svg>Allowed</li>'
        '<li><svg viewBox="0 0 12 12" aria-hidden="true">'
        '<rect width="12" height="12" rx="2" fill="url(#{}-stripes)"/></svg>Denied</li></ul>',
        chart_id,
    )


def _table(bars: Sequence[Bar], caption: str) -> SafeString:
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>',
        ((bar.label, "no data" if bar.allowed is None else f"{bar.allowed:,}", f"{bar.denied:,}") for bar in bars),
    )
    return format_html(
        '<details><summary>Show the numbers</summary><table><caption class="visually-hidden">{}</caption><thead><tr>'
        '<th scope="col">When</th><th scope="col">Allowed</th><th scope="col">Denied</th></tr></thead>'
        "<tbody>{}</tbody></table></details>",
        caption, rows,
    )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
