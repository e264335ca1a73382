"""Python code as HTML: coloured by Pygments, one element a line, and inert whatever it holds.

The text content of the result is exactly the code. Characters that would reorder or hide text are
kept, each in an element of its own that the style sheet makes visible and isolates.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

from django.utils.safestring import SafeString, mark_safe
from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES

# Bidirectional controls, zero-width characters and other controls (tab, newline and return are fine).
_HIDDEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


@lru_cache(maxsize=512)
def highlighted(code: str) -> SafeString:
    """Safe HTML for the inside of a ``<pre class="code">``."""
    lines: list[list[str]] = [[]]
    # Unprocessed: the usual way would change line ends and blank lines.
    for _position, kind, value in PythonLexer().get_tokens_unprocessed(code):
        first, *rest = value.split("\n")
        lines[-1].append(_span(STANDARD_TYPES.get(kind, ""), first))
        for piece in rest:
            lines.append([_span(STANDARD_TYPES.get(kind, ""), piece)])
    ended = len(lines) > 1 and not "".join(lines[-1])
    if ended:
        lines.pop()
    text = "\n".join(f'<span class="line">{"".join(line)}</span>' for line in lines)
    # A parser drops the newline that directly follows <pre>; here it follows a span, so none is lost.
    return mark_safe(text + ("\n" if ended else ""))  # noqa: S308


def _span(css_class: str, text: str) -> str:
    if not text:
        return ""
    # A raw return would be read as a newline.
    shown = _HIDDEN.sub(_visible, html.escape(text)).replace("\r", "&#13;")
    return f'<span class="{css_class}">{shown}</span>' if css_class and not text.isspace() else shown


def _visible(found: re.Match[str]) -> str:
    number = ord(found.group())
    return f'<span class="hidden-char" data-code="U+{number:04X}">{found.group()}</span>'
