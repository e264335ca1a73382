"""Verdicts for readers: the source line with a caret, the failing call, and what the outcome means (en, es)."""

from __future__ import annotations

from verification.outcome import Outcome, Report, Verdict
from verification.properties import CATALOGUE

LANGUAGES = ("en", "es")

MEANINGS: dict[str, dict[Outcome, str]] = {
    "en": {
        Outcome.PROVED: "holds for every input, under the stated assumptions",
        Outcome.REFUTED: "broken: the call below was run and failed",
        Outcome.BOUNDED: "no violation up to the bound; longer runs were not looked at",
        Outcome.UNKNOWN: "could not be decided",
        Outcome.UNSUPPORTED: "not decided: the program uses Python that is not modelled",
        Outcome.VACUOUS: "nothing to prove: the program does nothing that could break it",
    },
    "es": {
        Outcome.PROVED: "se cumple para toda entrada, bajo los supuestos indicados",
        Outcome.REFUTED: "no se cumple: la llamada de abajo se ejecutó y falló",
        Outcome.BOUNDED: "sin fallos hasta el límite; no se miraron ejecuciones más largas",
        Outcome.UNKNOWN: "no se pudo decidir",
        Outcome.UNSUPPORTED: "sin decidir: el programa usa Python que no está modelado",
        Outcome.VACUOUS: "nada que probar: el programa no hace nada que pueda incumplirla",
    },
}

NAMES: dict[str, dict[Outcome, str]] = {
    "en": {outcome: outcome.name for outcome in Outcome},
    "es": {
        Outcome.PROVED: "PROBADO",
        Outcome.REFUTED: "REFUTADO",
        Outcome.BOUNDED: "ACOTADO",
        Outcome.UNKNOWN: "DESCONOCIDO",
        Outcome.UNSUPPORTED: "NO ADMITIDO",
        Outcome.VACUOUS: "VACÍO",
    },
}

WORDS: dict[str, dict[str, str]] = {
    "en": {"line": "line", "call": "call", "result": "result", "assuming": "assuming", "reason": "reason"},
    "es": {"line": "línea", "call": "llamada", "result": "resultado", "assuming": "suponiendo", "reason": "motivo"},
}


def show(report: Report, source: str, *, name: str, language: str = "en") -> str:
    """The whole report as text."""
    words = WORDS[language]
    outcome = NAMES[language][report.outcome]
    head = f"{name}: {report.entry or '?'}: {outcome} ({report.cpu_seconds * 1000:.0f} ms CPU)"
    parts = [head, *(_verdict(verdict, source, language) for verdict in report.verdicts)]
    assumptions = dict.fromkeys(text for verdict in report.verdicts for text in verdict.assumptions)
    if assumptions:
        parts.append("\n".join([f"{words['assuming']}:", *(f"  - {text}" for text in assumptions)]))
    return "\n".join(parts)


def _verdict(verdict: Verdict, source: str, language: str) -> str:
    words = WORDS[language]
    lines = [f"  {NAMES[language][verdict.outcome]:<11} {verdict.property}: {MEANINGS[language][verdict.outcome]}"]
    if verdict.outcome not in (Outcome.PROVED, Outcome.VACUOUS):
        lines += _place(verdict, source, words)
        if verdict.counterexample is None:
            lines.append(f"      {words['reason']}: {verdict.reason}")
        else:
            lines.append(f"      {words['call']}: {verdict.counterexample.call}")
            lines.append(f"      {words['result']}: {verdict.counterexample.observed}")
    return "\n".join(lines)


def _place(verdict: Verdict, source: str, words: dict[str, str]) -> list[str]:
    """The source line and a caret under its first character."""
    lines = source.splitlines()
    if verdict.line is None or not 1 <= verdict.line <= len(lines):
        return []
    text = lines[verdict.line - 1].expandtabs(4)
    prefix = f"      {words['line']} {verdict.line}: "
    indent = len(text) - len(text.lstrip())
    return [prefix + text, " " * (len(prefix) + indent) + "^"]


def obliges(slug: str) -> str:
    """What a property asks of a program."""
    return CATALOGUE[slug].obliges
