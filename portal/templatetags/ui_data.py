"""Components that show data: figures, charts, meters, events and changes."""

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.templatetags.ui import badge, when
from portal.ui import charts
from portal.ui.markup import svg_icon, tone_class
from portal.ui.user_agents import agent_words

register = template.Library()


@register.simple_tag
def figure(label: str, value: object, hint: str = "") -> SafeString:
    """{% figure "Requests, 24 h" 184209 "12 from test keys" %}: one number of a ``<dl class="figures">``."""
    words = f"{value:,}" if isinstance(value, int) else value
    more = format_html("<dd>{}</dd>", hint) if hint else ""
    return format_html('<div class="figure"><dt>{}</dt><dd>{}</dd>{}</div>', label, words, more)


@register.simple_tag
def agent(user_agent: str) -> SafeString:
    """{% agent secret.last_used_agent %}: a browser or program in short, with the whole User-Agent as its title."""
    return format_html('<span title="{}">{}</span>', user_agent, agent_words(user_agent))


@register.simple_tag
def bar_chart(bars: Sequence[charts.Bar], chart_id: str, caption: str) -> SafeString:
    """{% bar_chart bars "requests" "Requests, last 7 days" %}: allowed and denied requests over time, with a table."""
    return charts.bar_chart(bars, chart_id=chart_id, caption=caption)


@register.simple_tag
def mini_bars(values: Sequence[int], label: str) -> SafeString:
    """{% mini_bars row.days row.days_label %}: a small chart of a row's last days."""
    return charts.mini_bars(values, label=label)


@register.simple_tag
def overlap_bar(started_at: datetime, ends_at: datetime, now: datetime) -> SafeString:
    """{% overlap_bar started ends now %}: how much of an overlap has passed, and when the old secret stops working."""
    share = (now - started_at) / (ends_at - started_at) if ends_at > started_at else 1.0
    share = min(max(share, 0.0), 1.0)
    return format_html(
        '<div class="overlap">{}<div class="overlap__ends"><span>Rolled {}</span><span>Old secret stops {}</span></div>'
        "</div>",
        charts.meter(share, label=f"{share:.0%} of the overlap is over", tone="warn"), when(started_at), when(ends_at),
    )  # fmt: skip


@register.simple_tag
def change(label: str, before: object, after: object, *, widens: bool = False) -> SafeString:
    """{% change "Scopes" before after widens=True %}: one row of a ``<dl class="diff">``."""
    return format_html(
        '<div class="diff__row"><dt>{}{}</dt><dd><del><span class="visually-hidden">from </span>{}</del>{}'
        '<ins><span class="visually-hidden">to </span>{}</ins></dd></div>',
        label,
        format_html(" {}", badge("Widens access", "warn")) if widens else "",
        _words(before),
        svg_icon("arrow-right", "micro"),
        _words(after),
    )


@register.simple_block_tag
def event(content: str, icon: str, at: datetime, *, tone: str = "mute", more: str = "") -> SafeString:
    """{% event "key" row.at more="203.0.113.7" %}…{% endevent %}: one row of an ``<ol class="timeline">``."""
    return format_html(
        '<li class="event"><span class="event__icon {}">{}</span>'
        '<div class="event__line"><span>{}</span>{}</div>{}</li>',
        tone_class(tone),
        svg_icon(icon, "micro"),
        content,
        when(at),
        format_html('<div class="event__more">{}</div>', more) if more else "",
    )


def _words(value: object) -> SafeString:
    if isinstance(value, list | tuple | set | frozenset):
        return format_html_join(", ", "{}", ((item,) for item in value)) or SafeString("none")
    return format_html("{}", "none" if value in (None, "") else value)
