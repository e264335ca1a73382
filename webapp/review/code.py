"""Highlighted code with the lines at fault marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from webapp.catalog.highlight import highlighted
from webapp.catalog.models import Sample

_LINE = '<span class="line">'


def marked(sample: Sample, faults: Mapping[int, str]) -> SafeString:
    """A sample's code for a ``<pre class="code numbered">``; ``faults`` says what is wrong with which line, from 1.

    Each line can be linked to as ``#line-N``.
    """
    numbered = (_numbered(line, number, faults.get(number)) for number, line in _lines(sample))
    return mark_safe("\n".join(numbered))  # noqa: S308  highlighted() escapes the code, _numbered() the faults


def _lines(sample: Sample) -> Iterator[tuple[int, str]]:
    return enumerate(highlighted(sample.text, sample.tokens).split("\n"), start=1)


def _numbered(line: str, number: int, fault: str | None) -> str:
    if not line.startswith(_LINE):
        return line
    kind = f'line line-fault" title="{escape(fault)}' if fault is not None else "line"
    return f'<span class="{kind}" id="line-{number}">{line.removeprefix(_LINE)}'
