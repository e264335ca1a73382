"""Code in templates, ``{{ sample.text|python:sample.tokens }}`` inside a ``<pre class="code">``; aligned programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from webapp.catalog.highlight import highlighted
from webapp.catalog.models import Sample

register = template.Library()


class Aligned(Protocol):
    """A row of two aligned programs: its kind, and the number of each side's line, either of which may be missing."""

    @property
    def kind(self) -> str: ...
    @property
    def left_line(self) -> int | None: ...
    @property
    def right_line(self) -> int | None: ...


@register.filter
def python(code: str, tokens: str = "") -> SafeString:
    return highlighted(code, tokens)


@register.simple_tag
def aligned_rows(rows: Iterable[Aligned], left: Sample, right: Sample) -> SafeString:
    """The rows of the table of differences. A template's loop over the lines takes ten times as long."""
    removed, added = _sign("−", _("only in A:")), _sign("+", _("only in B:"))
    old, new = (highlighted(sample.text, sample.tokens).split("\n") for sample in (left, right))
    written = (
        f'<tr class="difference-{escape(row.kind)}">'
        f"{_cell('left', row.left_line, old, removed if row.kind in ('left', 'changed') else '')}"
        f"{_cell('right', row.right_line, new, added if row.kind in ('right', 'changed') else '')}</tr>"
        for row in rows
    )
    return mark_safe("\n".join(written))  # noqa: S308 (code is escaped by highlighted, the rest here)


def _cell(side: str, line: int | None, lines: Sequence[str], sign: str) -> str:
    number, code = ("", "") if line is None else (f"{line:d}", lines[line - 1])
    return f'<td class="num">{number}</td><td class="difference-{side}">{sign}<code>{code}</code></td>'


def _sign(sign: str, words: str) -> str:
    hidden = f'<span class="visually-hidden">{escape(words)}</span>'
    return f'<span class="difference-sign"><span aria-hidden="true">{sign}</span>{hidden}</span>'
