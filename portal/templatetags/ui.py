"""Components of every page: texts, buttons, messages, navigation. A template builtin: no {% load %} needed."""

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal.ui.markup import attributes, optional_icon, svg_icon, time_element, tone_class

register = template.Library()

BUTTON_TONES = frozenset({"primary", "secondary", "quiet", "danger", "link"})
CALLOUT_ICONS = {
    "ok": "check-circle",
    "warn": "exclamation-triangle",
    "bad": "exclamation-circle",
    "info": "information-circle",
    "mute": "information-circle",
    "accent": "sparkles",
}
AVATAR_HUES = 5
FEW_SCOPES = 12
MAX_UNCUT_CHARS = 18  # a longer scope may be cut in a list, and then has a title


@register.simple_tag
def icon(name: str, style: str = "outline") -> SafeString:
    """{% icon "key" %}: a Heroicon, hidden from assistive technology. Styles: outline, solid, mini, micro."""
    return svg_icon(str(name), str(style))


@register.filter
def number(value: int) -> str:
    """{{ total|number }}: ``1,213``."""
    return f"{value:,}"


@register.simple_tag
def button(
    label: str,
    *,
    tone: str = "secondary",
    icon: str = "",
    size: str = "",
    busy: str = "",
    icon_only: bool = False,
    **attrs: object,
) -> SafeString:
    """{% button "Revoke key" tone="danger" busy="Revoking…" %}: a submit button; ``busy`` shows while htmx waits."""
    attrs.setdefault("type", "submit")
    if icon_only:
        attrs.setdefault("aria_label", label)
        attrs.setdefault("title", label)
    return format_html(
        "<button{}{}>{}{}</button>",
        attributes({"class": _button_class(tone, size, icon_only=icon_only)}),
        attributes(attrs),
        optional_icon(icon, _icon_style(icon_only=icon_only)),
        "" if icon_only else _button_label(label, busy),
    )


@register.simple_tag
def link_button(
    label: str,
    href: str,
    *,
    tone: str = "secondary",
    icon: str = "",
    size: str = "",
    dialog: bool = False,
    icon_only: bool = False,
    **attrs: object,
) -> SafeString:
    """{% link_button "New key" url tone="primary" dialog=True %}: a link styled as a button; can open in the dialog."""
    if dialog:
        attrs |= {"hx_get": href, "hx_target": "#dialog-body", "hx_swap": "innerHTML", "aria_haspopup": "dialog"}
    if icon_only:
        attrs.setdefault("aria_label", label)
        attrs.setdefault("title", label)
    return format_html(
        "<a{}{}>{}{}</a>",
        attributes({"class": _button_class(tone, size, icon_only=icon_only), "href": href}),
        attributes(attrs),
        optional_icon(icon, _icon_style(icon_only=icon_only)),
        "" if icon_only else label,
    )


@register.simple_tag
def status(word: str, tone: str) -> SafeString:
    """{% status "Active" "ok" %}: a state, shown by word, colour and the shape of its dot."""
    return format_html('<span class="badge badge--dot {}">{}</span>', tone_class(tone), word)


@register.simple_tag
def badge(word: str, tone: str = "mute") -> SafeString:
    """{% badge "Test" tone="warn" %}: a small label."""
    return format_html('<span class="badge {}">{}</span>', tone_class(tone), word)


@register.simple_tag
def scope(name: str) -> SafeString:
    """{% scope "orders:read" %}: one scope."""
    return format_html('<code class="scope">{}</code>', name)


@register.simple_tag
def scopes(names: Sequence[str], show: int = 0) -> SafeString:
    """{% scopes key.scopes 2 %}: a list of scopes; with ``show``, only the first ones and the number of the rest."""
    shown = names[:show] if show else names
    rest = len(names) - len(shown)
    is_cut = rest or any(len(name) > MAX_UNCUT_CHARS for name in names)
    return format_html(
        '<span class="scopes"{}>{}{}</span>',
        attributes({"title": ", ".join(names) if show and is_cut else None}),
        format_html_join("", "<code>{}</code>", ((name,) for name in shown)),
        format_html("<span>+{}</span>", rest) if rest else "",
    )


@register.simple_tag
def all_scopes(names: Sequence[str]) -> SafeString:
    """{% all_scopes key.scopes %}: every scope; many are grouped by resource, and what is over a few is folded."""
    groups = list(names) if len(names) <= FEW_SCOPES else _by_resource(names)
    if len(groups) <= FEW_SCOPES:
        return scopes(groups)
    return format_html(
        '<div class="stack stack--tight">{}<details class="fold"><summary>Show all {} scopes</summary>'
        '<div class="scope-rest" tabindex="0" role="region" aria-label="More scopes">{}</div></details></div>',
        scopes(groups[:FEW_SCOPES]), f"{len(names):,}", scopes(groups[FEW_SCOPES:]),
    )  # fmt: skip


@register.simple_tag
def masked_key(hint: str) -> SafeString:
    """{% masked_key secret.hint %}: the hint of a secret."""
    return format_html('<code class="masked">{}</code>', hint)


@register.simple_tag
def avatar(name: str, of: str = "", *, square: bool = False) -> SafeString:
    """{% avatar user.display_name user.public_id %}: initials; decoration beside the name itself.

    The colour is derived from the id, so that it stays when the name changes.
    """
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()] or ["?"]
    initials = "".join(word[0] for word in words[:2]).upper()
    return format_html(
        '<span class="avatar{} hue-{}" aria-hidden="true">{}</span>',
        " avatar--square" if square else "",
        sum((of or name).encode()) % AVATAR_HUES + 1,
        initials,
    )


@register.simple_tag
def when(value: datetime | None, style: str = "relative", *, none: str = "Never") -> SafeString:
    """{% when key.last_used_at %}: a time, with the exact time as its title; styles: relative, day, exact."""
    if value is None:
        return format_html('<span class="subtle">{}</span>', none)
    return time_element(value, style)


@register.simple_block_tag
def callout(content: str, tone: str = "info", title: str = "", *, role: str = "", id_: str = "") -> SafeString:
    """{% callout "warn" "Expires soon" %}…{% endcallout %}: a message within the page."""
    return format_html(
        '<div class="callout {}"{}>{}<div class="callout__body">{}<div>{}</div></div></div>',
        tone_class(tone),
        attributes({"role": role, "id": id_}),
        svg_icon(CALLOUT_ICONS[tone]),
        format_html('<p class="callout__title">{}</p>', title) if title else "",
        content,
    )


@register.simple_block_tag
def empty_state(content: str, title: str, icon: str = "key") -> SafeString:
    """{% empty_state "No keys yet" "key" %}<p>…</p>{% endempty_state %}: shown in place of an empty list."""
    return format_html(
        '<div class="empty"><span class="empty__icon">{}</span><h2>{}</h2>{}</div>', svg_icon(icon), title, content
    )


@register.simple_block_tag
def page_head(content: str, title: str, lead: str = "") -> SafeString:
    """{% page_head "API keys" lead="…" %}actions{% endpage_head %}: the page's only h1, its purpose and its actions."""
    return format_html(
        '<div class="page__head"><div class="page__title"><h1 tabindex="-1">{}</h1>{}</div>{}</div>',
        title,
        format_html('<p class="page__lead">{}</p>', lead) if lead else "",
        format_html('<div class="page__actions">{}</div>', content) if content.strip() else "",
    )


@register.simple_tag
def breadcrumbs(*parts: str) -> SafeString:
    """{% breadcrumbs "API keys" keys_url key.name %}: labels and URLs in turn; the last label is the current page."""
    *pairs, here = parts
    links = zip(pairs[::2], pairs[1::2], strict=True)
    return format_html(
        '<nav class="crumbs" aria-label="Breadcrumbs"><ol>{}<li aria-current="page">{}</li></ol></nav>',
        format_html_join("", '<li><a href="{1}">{0}</a></li>', links),
        here,
    )


@register.simple_block_tag
def tabs(content: str, label: str) -> SafeString:
    """{% tabs "Key" %}{% tab "Overview" url current=True %}{% endtabs %}: tabs; each is a link to its own URL."""
    return format_html('<nav class="tabs" aria-label="{}"><ul role="list">{}</ul></nav>', label, content)


@register.simple_tag
def tab(label: str, href: str, *, current: bool = False, count: int | None = None) -> SafeString:
    """{% tab "Overview" url current=True %}: one tab."""
    number = format_html('<span class="badge num">{}</span>', f"{count:,}") if count is not None else ""
    return format_html(
        "<li><a{}>{}{}</a></li>", attributes({"href": href, "aria_current": "page" if current else None}), label, number
    )


@register.simple_block_tag
def menu(content: str, label: str) -> SafeString:
    """{% menu "Actions for checkout" %}<a href=…>Roll</a>{% endmenu %}: a row's actions; works without a script."""
    return format_html(
        '<details class="menu" data-menu><summary class="dots" aria-label="{}"></summary>'
        '<div class="menu__list">{}</div></details>',
        label,
        content,
    )


@register.simple_tag
def load_more(
    href: str, label: str, *, target: str = "closest .table__more", swap: str = "outerHTML", **attrs: object
) -> SafeString:
    """{% load_more url "Load 50 more" %}: adds the next rows in place; without a script, opens the next page."""
    extra = {"hx_get": href, "hx_target": target, "hx_swap": swap} | attrs
    return format_html('<a class="btn" href="{}"{}>{}</a>', href, attributes(extra), label)


def _button_class(tone: str, size: str, *, icon_only: bool) -> str:
    if tone not in BUTTON_TONES:
        raise ValueError(f"no button tone {tone!r}: one of {', '.join(sorted(BUTTON_TONES))}")
    names = [
        "btn",
        f"btn--{tone}" if tone != "secondary" else "",
        f"btn--{size}" if size else "",
        "btn--icon" if icon_only else "",
    ]
    return " ".join(name for name in names if name)


def _by_resource(names: Sequence[str]) -> list[str]:
    """Join the scopes of a resource: ``orders: read, write``."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rpartition(":")[0] or name, []).append(name)
    return [
        found[0] if len(found) == 1 else f"{resource}: {', '.join(name.rpartition(':')[2] for name in found)}"
        for resource, found in groups.items()
    ]


def _icon_style(*, icon_only: bool) -> str:
    return "mini" if icon_only else "micro"


def _button_label(label: str, busy: str) -> SafeString:
    if not busy:
        return format_html("{}", label)
    return format_html(
        '<span class="btn__labels"><span class="btn__busy">{}</span><span class="btn__label">{}</span></span>',
        busy, label,
    )  # fmt: skip


LOGO = mark_safe(
    '<svg class="brand__mark" viewBox="0 0 24 24" aria-hidden="true">'
    '<path fill="currentColor" fill-rule="evenodd" d="M6.5 0h11A6.5 6.5 0 0 1 24 6.5v11a6.5 6.5 0 0 1-6.5 6.5h-11'
    "A6.5 6.5 0 0 1 0 17.5v-11A6.5 6.5 0 0 1 6.5 0ZM8.2 9.3a3.8 3.8 0 1 1 5.9 3.2v5.2a1.1 1.1 0 0 1-1.1 1.1h-2"
    'a1.1 1.1 0 0 1-1.1-1.1v-5.2a3.8 3.8 0 0 1-1.7-3.2ZM12 8a1.3 1.3 0 1 0 0 2.6A1.3 1.3 0 0 0 12 8Z"/></svg>'
)


@register.simple_tag
def logo() -> SafeString:
    """{% logo %}: the logo's mark, in the text colour."""
    return LOGO
