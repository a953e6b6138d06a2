"""Components that show code and secrets: code blocks, snippet tabs, the secret box, copy buttons."""

from collections.abc import Sequence
from html import unescape
from urllib.parse import quote

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal.ui.highlighting import Snippet, highlight
from portal.ui.markup import attributes, svg_icon

register = template.Library()

SHOW = mark_safe('<button type="button" class="btn btn--quiet btn--small js-only" data-unmask>Show key</button>')


@register.simple_tag
def copy_button(target_id: str, label: str = "Copy", *, name: str = "", tone: str = "quiet") -> SafeString:
    """{% copy_button "key-id" name="Copy key id" %}: copies the text of the element with that id, and confirms it."""
    return format_html(
        '<button type="button" class="btn btn--{} btn--small js-only" data-copy="{}"{}>{}'
        "<span data-copy-label>{}</span></button>",
        tone, target_id, attributes({"aria_label": name}), svg_icon("square-2-stack"), label,
    )  # fmt: skip


@register.simple_tag
def code_block(text: str, language: str, label: str, *, code_id: str = "", title: str = "") -> SafeString:
    """{% code_block text "json" "The answer" code_id="answer" %}: labelled code; with an id, it gets a copy button."""
    head = format_html(
        '<div class="code__head"><span>{}</span>{}</div>',
        title,
        copy_button(code_id, name=f"Copy {label[:1].lower()}{label[1:]}") if code_id else "",
    )
    return format_html(
        '<div class="code">{}<pre tabindex="0" role="region" aria-label="{}"><code{}>{}</code></pre></div>',
        head if title or code_id else "", label, attributes({"id": code_id}), highlight(text, language),
    )  # fmt: skip


@register.simple_block_tag
def code(content: str, language: str, label: str, *, code_id: str = "", title: str = "") -> SafeString:
    """{% code "bash" "Install" %}pip install …{% endcode %}: a code block written in the template."""
    return code_block(unescape(content), language, label, code_id=code_id, title=title)


@register.simple_tag
def snippet_tabs(group: str, snippets: Sequence[Snippet], label: str, *, secret: str = "") -> SafeString:
    """{% snippet_tabs "call" snippets "Call the API" %}: one call in several languages; ``secret`` stays masked."""
    tabs = format_html_join("", "{}", ((_tab(group, snippet, index),) for index, snippet in enumerate(snippets)))
    panels = format_html_join(
        "", "{}", ((_panel(group, snippet, index, label, secret),) for index, snippet in enumerate(snippets))
    )
    return format_html(
        '<div class="code snippets" data-snippets><fieldset class="snippets__bar">'
        '<legend class="visually-hidden">{}</legend>{}<span class="snippets__end">{}</span></fieldset>'
        "<div>{}</div></div>",
        label, tabs, SHOW if secret else "", panels,
    )  # fmt: skip


@register.simple_tag
def secret_box(secret: str, *, name: str, variable: str = "LATCHKEY_API_KEY") -> SafeString:
    """{% secret_box secret name="API key" %}: a secret, shown only once; the .env download needs no script."""
    return format_html(
        '<div class="secret" data-secret>'
        '<code class="secret__text" id="secret-text" tabindex="0" role="region" aria-label="{0}">{1}</code>'
        '<div class="secret__bar">'
        '<button type="button" class="btn btn--primary js-only" data-copy="secret-text" data-saves>{2}'
        '<span data-copy-label>Copy {0}</span></button>'
        '<a class="btn" href="data:text/plain;charset=utf-8,{3}" download="latchkey.env" data-saves>{4}'
        "Download .env</a></div></div>",
        name, secret, svg_icon("square-2-stack"), quote(f"{variable}={secret}\n"),
        svg_icon("arrow-down-tray"),
    )  # fmt: skip


def _tab(group: str, snippet: Snippet, index: int) -> SafeString:
    control = {
        "type": "radio",
        "name": f"{group}-snippet",
        "value": snippet.title,
        "checked": index == 0,
        "class": "visually-hidden",
    }
    return format_html('<label class="snippets__tab"><input{}>{}</label>', attributes(control), snippet.title)


def _panel(group: str, snippet: Snippet, index: int, label: str, secret: str) -> SafeString:
    code_id = f"{group}-snippet-{index}"
    return format_html(
        '<div class="snippets__panel"><pre tabindex="0" role="region" aria-label="{}"><code id="{}">{}</code></pre>'
        '<span class="snippets__copy">{}</span></div>',
        f"{label}: {snippet.title}", code_id, highlight(snippet.text, snippet.language, conceal=secret),
        copy_button(code_id, name=f"Copy the {snippet.title} snippet"),
    )  # fmt: skip
