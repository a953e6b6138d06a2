"""Charts as SVG, rendered on the server without a script and under a strict CSP. Pure: numbers in, markup out.

Widths and heights are attributes, colours are classes. A chart stretches to its box (``preserveAspectRatio="none"``),
so text is HTML beside the drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

HEIGHT = 168
SLOT = 10.0
GAP = 3.0
MINI_HEIGHT = 22
MINI_SLOT = 9
LABELS = 7
RANGES = (7, 30, 90)
AXIS_STEPS = (2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True)
class Bar:
    """One interval of time; ``allowed`` is None if nothing is known, and ``is_partial`` if the interval still runs."""

    label: str
    allowed: int | None
    denied: int = 0
    is_partial: bool = False

    @property
    def name(self) -> str:
        """The label in a sentence: ``24 Nov``, or ``Today so far``."""
        return f"{self.label} so far" if self.is_partial else self.label

    @property
    def words(self) -> str:
        """The values: ``24 Nov: 1,204 allowed, 3 denied``."""
        if self.allowed is None:
            return f"{self.name}: no data"
        return f"{self.name}: {self.allowed:,} allowed, {self.denied:,} denied"

    @property
    def total(self) -> int:
        """Return allowed and denied requests together."""
        return (self.allowed or 0) + self.denied


@dataclass(frozen=True)
class Range:
    """A number of days that a reader can choose for a chart."""

    days: int
    is_current: bool


@dataclass(frozen=True)
class DayChart:
    """A chart of the days from ``first`` to ``last``, with the ranges to choose from."""

    title: str
    bars: Sequence[Bar]
    first: date
    last: date

    @property
    def span(self) -> str:
        """The dates: ``24 Nov to 30 Nov 2026``."""
        return f"{self.first.day} {self.first:%b} to {self.last.day} {self.last:%b %Y}"

    @property
    def caption(self) -> str:
        """The chart's name: ``Requests, last 7 days``."""
        return f"{self.title}, last {len(self.bars)} days"

    @property
    def ranges(self) -> list[Range]:
        """The ranges; the shown one is current."""
        return [Range(days, days == len(self.bars)) for days in RANGES]


def chosen_range(text: str, default: int) -> int:
    """Return the number of days that a URL asks for; the default if it is none of ``RANGES``."""
    return next((days for days in RANGES if text == str(days)), default)


def nice_ceiling(value: int) -> int:
    """Return the next round and even number at or above the value, such as 12, 20, 30 or 150: an axis has a half."""
    magnitude: int = 10 ** max(floor(log10(max(value, 1))) - 1, 0)
    tops = (step * magnitude for step in AXIS_STEPS)
    return next(top for top in tops if top >= value and top % 2 == 0)


def summary(bars: Sequence[Bar]) -> str:
    """Return the chart's content as a sentence: ``184,209 requests, peak 9,412 (24 Nov), 0.21% denied``."""
    total, denied = sum(bar.total for bar in bars), sum(bar.denied for bar in bars)
    if not total:
        return "No requests"
    peak = max(bars, key=lambda bar: bar.total)
    return f"{total:,} request{'s' * (total != 1)}, peak {peak.total:,} ({peak.name}), {denied / total:.2%} denied"


def bar_chart(bars: Sequence[Bar], *, chart_id: str, caption: str) -> SafeString:
    """Return a chart of allowed and denied requests over time, with axis, legend and the same numbers as a table.

    Without requests there is no chart: an axis would be invented. static/js/chart.js shows one bar's values in the
    caption.
    """
    words = summary(bars)
    if not any(bar.total for bar in bars):
        return format_html('<p class="muted">{}</p>', words)
    top = nice_ceiling(max(bar.total for bar in bars))
    width = SLOT * len(bars)
    groups = format_html_join("", "{}", ((_group(bar, index, top, chart_id),) for index, bar in enumerate(bars)))
    svg = format_html(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}: {}">'
        '<defs><pattern id="{}-stripes" width="4" height="4" patternUnits="userSpaceOnUse">'
        '<rect class="bar-2" width="4" height="4"/><path class="bar-hatch" d="M0 3h4"/></pattern></defs>{}{}</svg>',
        width, HEIGHT, caption, words, chart_id, _grid(width), groups,
    )  # fmt: skip
    return format_html(
        '<figure class="chart" data-chart><figcaption class="muted" aria-live="polite">{}</figcaption>'
        '<div class="chart__plot"><div class="chart__axis" aria-hidden="true">'
        "<span>{}</span><span>{}</span><span>0</span></div>{}"
        '<div class="chart__labels" aria-hidden="true">{}</div></div>{}{}</figure>',
        words, f"{top:,}", f"{top // 2:,}", svg, _labels(bars), _legend(bars, chart_id), _table(bars, caption),
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
    hit = format_html(
        '<title>{}</title><rect class="{}" x="{}" width="{}" height="{}"/>',
        bar.words, "bar-gap" if bar.allowed is None else "bar-hit", _number(index * SLOT), _number(SLOT), HEIGHT,
    )  # fmt: skip
    if bar.allowed is None:
        return format_html("<g>{}</g>", hit)
    allowed, denied = bar.allowed * HEIGHT / top, bar.denied * HEIGHT / top
    return format_html(
        '<g class="bar-group{}">{}<rect class="bar-1" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect x="{}" y="{}" width="{}" height="{}" fill="url(#{}-stripes)"/></g>',
        " bar-partial" if bar.is_partial else "", hit,
        x, _number(HEIGHT - allowed), width, _number(allowed),
        x, _number(HEIGHT - allowed - denied), width, _number(denied), chart_id,
    )  # fmt: skip


def _labels(bars: Sequence[Bar]) -> SafeString:
    """Return a place for each bar and at most seven labels, counted from the last; a phone shows every other one."""
    step = ceil(len(bars) / LABELS)
    back = range(len(bars) - 1, -1, -1)
    return format_html_join(
        "",
        '<span class="{}">{}</span>',
        (
            ("chart__minor" if place % (2 * step) else "", "" if place % step else bar.label)
            for place, bar in zip(back, bars, strict=True)
        ),
    )


def _legend(bars: Sequence[Bar], chart_id: str) -> SafeString:
    swatches = [
        ("", SafeString('class="bar-1"'), "Allowed"),
        ("", format_html('fill="url(#{}-stripes)"', chart_id), "Denied"),
    ]
    if any(bar.is_partial for bar in bars):
        swatches.append(("bar-partial", SafeString('class="bar-1"'), "Not over yet"))
    if any(bar.allowed is None for bar in bars):
        swatches.append(("", SafeString('class="bar-gap"'), "No data"))
    return format_html(
        '<ul class="chart__legend" role="list">{}</ul>',
        format_html_join(
            "",
            '<li><svg class="{}" viewBox="0 0 12 12" aria-hidden="true">'
            '<rect {} width="12" height="12" rx="2"/></svg>{}</li>',
            swatches,
        ),
    )


def _table(bars: Sequence[Bar], caption: str) -> SafeString:
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>',
        ((bar.name, "no data" if bar.allowed is None else f"{bar.allowed:,}", f"{bar.denied:,}") for bar in bars),
    )
    return format_html(
        '<details><summary>Show the numbers</summary><table><caption class="visually-hidden">{}</caption><thead><tr>'
        '<th scope="col">When</th><th scope="col">Allowed</th><th scope="col">Denied</th></tr></thead>'
        "<tbody>{}</tbody></table></details>",
        caption, rows,
    )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
