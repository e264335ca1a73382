"""Security properties by structure: a dangerous call is refuted once the sandbox sees an input reach it.

PROVED means that no dangerous call is in the source, nor any way to reach one that the syntax doesn't show.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from verification.outcome import Counterexample, Outcome, Verdict
from verification.sandbox import Pool
from verification.security.findings import RULES, Finding, Survey, survey
from verification.security.probe import Reached, probe

ASSUMPTION = (
    "imported modules of the standard library behave as documented, and no argument is itself a dangerous function"
)


def check(source: str, tree: ast.Module, entry: str, slug: str, *, pool: Pool | None = None) -> tuple[Verdict, float]:
    """The verdict on one security property, and the CPU seconds that the sandbox took."""
    if slug not in RULES:
        return Verdict(slug, Outcome.UNSUPPORTED, "this version does not check the property"), 0.0
    found = survey(tree, slug)
    if found.findings:
        reached, spent = probe(source, tree, entry, slug, pool=pool)
        return _judged(slug, found.findings, reached), spent
    return _without_sink(slug, found), 0.0


def _judged(slug: str, findings: Sequence[Finding], reached: Reached | None) -> Verdict:
    first = findings[0]
    if reached is None:
        reason = f"{_shown(first.sink)} at line {first.line} was found, but no input was seen to reach it"
        return Verdict(slug, Outcome.UNKNOWN, reason, first.line)
    line = reached.line or first.line
    counterexample = Counterexample(reached.call, reached.observed)
    return Verdict(slug, Outcome.REFUTED, reached.observed, line, counterexample)


def _without_sink(slug: str, found: Survey) -> Verdict:
    if found.dynamic:
        first = found.dynamic[0]
        reason = f"no dangerous call was found, but {first.sink} may reach one that the syntax does not show"
        return Verdict(slug, Outcome.UNKNOWN, reason, first.line)
    if not found.relevant:
        return Verdict(slug, Outcome.VACUOUS, "the program does nothing that could break it")
    return Verdict(slug, Outcome.PROVED, "no dangerous call is in the source", assumptions=(ASSUMPTION,))


def _shown(sink: str) -> str:
    return sink.removeprefix("*.")
