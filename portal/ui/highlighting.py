"""Highlight code with Pygments classes, without inline styles. Nothing is cached: snippets may hold a secret."""

from dataclasses import dataclass, field

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name


@dataclass(frozen=True)
class Snippet:
    """One tab of a set of snippets; ``repr`` hides its text."""

    title: str
    language: str
    text: str = field(repr=False)


def highlight(text: str, language: str, *, conceal: str = "") -> SafeString:
    """Return the text as HTML; the secret ``conceal`` in it stays masked until the person asks to see it."""
    html: str = pygments_highlight(
        text.strip("\n"), get_lexer_by_name(language, stripnl=False), HtmlFormatter(nowrap=True)
    )
    html = html.removesuffix("\n")
    if conceal:
        html = html.replace(escape(conceal), f'<span class="concealed">{escape(conceal)}</span>')
    return mark_safe(html)  # noqa: S308  # Pygments escapes what it marks up
