"""Code as pages show it: Pygments classes, no inline style. Nothing is cached, since snippets may hold a secret."""

from dataclasses import dataclass, field

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name


@dataclass(frozen=True)
class Snippet:
    """One tab of a set of snippets; its text hides itself in ``repr``."""

    title: str
    language: str
    text: str = field(repr=False)


def highlight(text: str, language: str, *, conceal: str = "") -> SafeString:
    """The text as HTML spans; ``conceal`` names a secret in it that stays masked until it is asked for."""
    html: str = pygments_highlight(
        text.strip("\n"), get_lexer_by_name(language, stripnl=False), HtmlFormatter(nowrap=True)
    )
    html = html.removesuffix("\n")
    if conceal:
        html = html.replace(escape(conceal), f'<span class="concealed">{escape(conceal)}</span>')
    return mark_safe(html)  # noqa: S308  # Pygments escapes what it marks up
