"""A report for readers: for each finding the source line with a caret, the failing call and what it means (en, es)."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from verification.outcome import WORST_FIRST, Outcome, Report, Verdict
from verification.places import Place, Program
from verification.properties import CATALOGUE
from verification.wording import LANGUAGES, WORDS, Words, assumption, obliges, observed, reason

__all__ = ["LANGUAGES", "show"]

WIDTH = 100
LABEL = 11
"""The longest name of an outcome."""

MARGIN = " " * (2 + LABEL + 2)
LONGEST = 400
"""Characters of a call or a reason that are shown; the JSON report has all of them."""

_COLOURS = {
    Outcome.REFUTED: "1;31",
    Outcome.UNSUPPORTED: "35",
    Outcome.UNKNOWN: "33",
    Outcome.BOUNDED: "36",
    Outcome.PROVED: "1;32",
    Outcome.VACUOUS: "32",
}
_DIM = "2"
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Characters that a terminal obeys or hides; the program and what it says are shown, not obeyed."""


def show(report: Report, source: str, *, name: str, language: str = "en", colour: bool = False) -> str:
    """The whole report as text; `colour` is for terminals alone."""
    return _Page(Program(source), WORDS[language], language, colour).report(report, name)


@dataclass(frozen=True)
class _Page:
    program: Program
    words: Words
    language: str
    colour: bool

    def report(self, report: Report, name: str) -> str:
        head = f"{_plain(name)}: {report.entry}" if report.entry else _plain(name)
        parts = [head, *(self._group(group) for group in _groups(report.verdicts))]
        assumptions = dict.fromkeys(text for verdict in report.verdicts for text in verdict.assumptions)
        if assumptions:
            parts.append(self._assumptions(list(assumptions)))
        return "\n\n".join([*parts, self._summary(report, name)])

    def _group(self, verdicts: Sequence[Verdict]) -> str:
        """Properties of which the same is said."""
        first = verdicts[0]
        label = self._painted(f"{self.words.outcomes[first.outcome]:<{LABEL}}", _COLOURS[first.outcome])
        if first.outcome is Outcome.REFUTED:
            titles = [self._obligation(verdict.property) for verdict in verdicts]
        else:
            titles = _wrapped(", ".join(verdict.property for verdict in verdicts))
        lines = [f"  {label}  {titles[0]}", *(MARGIN + title for title in titles[1:])]
        lines += [MARGIN + text for text in _wrapped(self.words.meanings[first.outcome])]
        if first.outcome not in (Outcome.PROVED, Outcome.VACUOUS):
            place = self.program.place(first)
            lines += [] if place is None else self._excerpt(place, _COLOURS[first.outcome])
        return "\n".join(lines + self._evidence(first))

    def _obligation(self, slug: str) -> str:
        weakness = CATALOGUE[slug].cwe
        return f"{slug}: {obliges(slug, self.language)}" + (f" (CWE-{weakness})" if weakness else "")

    def _excerpt(self, place: Place, colour: str) -> list[str]:
        number = str(place.line)
        before, marked, after = _cut(place)
        caret = "^" * max(_width(marked), 1)
        rule = self._painted("|", _DIM)
        return [
            f"{MARGIN}{self._painted(number, _DIM)} {rule} {before}{marked}{after}".rstrip(),
            f"{MARGIN}{' ' * len(number)} {rule} {' ' * _width(before)}{self._painted(caret, colour)}",
        ]

    def _evidence(self, verdict: Verdict) -> list[str]:
        words = self.words
        if verdict.counterexample is not None:
            seen = observed(verdict.counterexample.observed, self.language)
            return _table([(words.call, _shortened(verdict.counterexample.call)), (words.observed, _shortened(seen))])
        if verdict.outcome in (Outcome.PROVED, Outcome.VACUOUS) and verdict.reason in _SAID_ALREADY:
            return []
        return _table([(words.reason, _shortened(reason(verdict.reason, self.language)))])

    def _assumptions(self, texts: Sequence[str]) -> str:
        items = [_wrapped(assumption(text, self.language), indent=4) for text in texts]
        lines = [f"  - {first}" + "".join(f"\n    {more}" for more in rest) for first, *rest in items]
        return "\n".join([f"{self.words.assuming}:", *lines])

    def _summary(self, report: Report, name: str) -> str:
        words = self.words
        counts = Counter(verdict.outcome for verdict in report.verdicts)
        counted = [f"{counts[one]} {words.counted[one][counts[one] > 1]}" for one in WORST_FIRST if counts[one]]
        total = len(report.verdicts)
        outcome = self._painted(words.outcomes[report.outcome], _COLOURS[report.outcome])
        many = words.total[total != 1].format(total)
        cpu = words.cpu.format(report.cpu_seconds * 1000)
        return f"{_plain(name)}: {outcome}. {many}: {', '.join(counted)}. {cpu}."

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text


_SAID_ALREADY = ("nothing in the program can break it", "the program does nothing that could break it")
"""Reasons that only repeat what VACUOUS means."""


def _groups(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Verdicts that say the same of several properties together; the worst first."""
    groups: dict[object, list[Verdict]] = {}
    for verdict in sorted(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.outcome)):
        said = (verdict.outcome, verdict.reason, verdict.line, verdict.counterexample)
        groups.setdefault(said, []).append(verdict)
    return list(groups.values())


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    column = max(len(title) for title, _ in rows)
    return [f"{MARGIN}{title:<{column}}  {text}" for title, text in rows]


def _wrapped(text: str, indent: int = len(MARGIN)) -> list[str]:
    return textwrap.wrap(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False) or [""]


def _shortened(text: str) -> str:
    text = _plain(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST * 2 // 3]} [...] {text[-LONGEST // 3 :]}"


# --- characters and columns


def _plain(text: str) -> str:
    """Nothing in it that a terminal would obey."""
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)


def _cut(place: Place) -> tuple[str, str, str]:
    """The line before, in and after the marked part, as it is shown: no tabs, and not much longer than a terminal."""
    room = WIDTH - len(MARGIN) - 8
    text = place.text.expandtabs(4)
    start, end = (len(place.text[:at].expandtabs(4)) for at in (place.start, place.end))
    before, marked, after = (_plain(part) for part in (text[:start], text[start:end], text[end:]))
    if len(before) > room // 2:
        before = "[...] " + before[-room // 4 :]
    if len(marked) > room - len(before):
        marked, after = marked[: room - len(before)], " [...]"
    if len(before) + len(marked) + len(after) > room + 8:
        after = after[: max(room - len(before) - len(marked), 0)] + " [...]"
    return before, marked, after


def _width(text: str) -> int:
    """Columns of a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
