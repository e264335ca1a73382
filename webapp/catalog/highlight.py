"""Python code as HTML: coloured by Pygments, one element a line, and inert whatever it holds.

The text content of the result is exactly the code. Characters that would reorder or hide text are
kept, each in an element of its own that the style sheet makes visible and isolates.

Reading a program's tokens takes far longer than writing them as HTML, so a sample's are kept beside its text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from itertools import groupby
from operator import itemgetter

from django.utils.safestring import SafeString, mark_safe
from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES

COLOURED = frozenset(
    [
        "k",
        "kn",
        "kd",
        "kr",
        "kp",
        "ow",
        "kc",
        "m",
        "mi",
        "mf",
        "mh",
        "mo",
        "mb",
        "il",
        "nf",
        "fm",
        "nc",
        "nd",
        "nb",
        "bp",
        "ne",
        "nn",
        "s",
        "s1",
        "s2",
        "sd",
        "sa",
        "sb",
        "sc",
        "se",
        "si",
        "sr",
        "c",
        "c1",
        "cm",
        "ch",
        "cs",
        "o",
        "p",
        "err",
    ]
)
"""The kinds of tokens that the style sheet colours, by the names that Pygments gives them in HTML."""
# Bidirectional controls, zero-width characters and other controls (tab, newline and return are fine).
_HIDDEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
_ESCAPED = re.compile(f"[<>&\"'\\r]|{_HIDDEN.pattern}")
_TOKEN = re.compile(r"(\d+)([a-z]\w*)?")
_NEWLINE, _LINE = "\n", '<span class="line">'
_PLAIN = "", ""
_AROUND = {kind: (f'<span class="{kind}">', "</span>") for kind in COLOURED}


def tokens(code: str) -> str:
    """How long each stretch of one kind is, and of which: ``"3k 1 5nf 1p"`` for ``def`` and what follows it."""
    # Unprocessed: the usual way would change line ends and blank lines.
    found = ((STANDARD_TYPES.get(kind, ""), text) for _, kind, text in PythonLexer().get_tokens_unprocessed(code))
    coloured = ((kind if kind in COLOURED and not text.isspace() else "", len(text)) for kind, text in found)
    return " ".join(
        f"{sum(length for _, length in stretch)}{kind}" for kind, stretch in groupby(coloured, key=itemgetter(0))
    )


@lru_cache(maxsize=512)
def highlighted(code: str, known: str = "") -> SafeString:
    """Safe HTML for the inside of a ``<pre class="code">``; ``known``: the code's ``tokens``, where they are known."""
    stretches = _stretches(known)
    if sum(length for length, _ in stretches) != len(code):
        stretches = _stretches(tokens(code))
    drawn: dict[tuple[str, str], str] = {}  # A program's words and signs are few.
    written, at = [_LINE], 0
    for length, kind in stretches:
        start, at = at, at + length
        stretch = code[start:at], kind
        html = drawn.get(stretch)
        if html is None:
            html = drawn[stretch] = _drawn(*stretch)
        written.append(html)
    page = "".join(written) + "</span>"
    if code.endswith(_NEWLINE):  # No line begins after it.
        page = page[: page.rindex(_NEWLINE) + 1]
    # A parser drops the newline that directly follows <pre>; here it follows a span, so none is lost.
    return mark_safe(page)  # noqa: S308


def _stretches(known: str) -> list[tuple[int, str]]:
    """(length, kind) of each; none when it is not what ``tokens`` writes."""
    try:
        return [_stretch(word) for word in known.split()]
    except ValueError:
        return []


@lru_cache(maxsize=4096)
def _stretch(word: str) -> tuple[int, str]:
    found = _TOKEN.fullmatch(word)
    if found is None:
        raise ValueError(word)
    return int(found[1]), found[2] or ""


def _drawn(text: str, kind: str) -> str:
    """An element ends with its line and goes on in the next."""
    opened, closed = _AROUND.get(kind, _PLAIN)
    if _ESCAPED.search(text):
        text = _inert(text)
    return f"{opened}{text.replace(_NEWLINE, f'{closed}</span>{_NEWLINE}{_LINE}{opened}')}{closed}"


def _inert(text: str) -> str:
    # A raw return would be read as a newline.
    return _HIDDEN.sub(_visible, escape(text)).replace("\r", "&#13;")


def _visible(found: re.Match[str]) -> str:
    number = ord(found.group())
    return f'<span class="hidden-char" data-code="U+{number:04X}">{found.group()}</span>'
