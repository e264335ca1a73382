"""Highlighted code with the lines at fault marked."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from webapp.catalog.highlight import highlighted

_LINE = '<span class="line">'


def marked(code: str, faults: Mapping[int, str]) -> SafeString:
    """The code for a ``<pre class="code numbered">``; ``faults`` says what is wrong with which line, from 1."""
    lines = highlighted(code).split("\n")
    for number, fault in faults.items():
        if 1 <= number <= len(lines) and lines[number - 1].startswith(_LINE):
            opening = f'<span class="line line-fault" id="line-{number}" title="{escape(fault)}">'
            lines[number - 1] = opening + lines[number - 1].removeprefix(_LINE)
    return mark_safe("\n".join(lines))  # noqa: S308  highlighted() escapes the code, and the faults are escaped here
