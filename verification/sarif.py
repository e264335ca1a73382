"""Reports as SARIF 2.1.0, for code hosts and editors: a rule for each property, a result for each violation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from verification import VERIFIER_VERSION
from verification.outcome import Outcome, Report, Verdict
from verification.places import Place, Program
from verification.properties import CATALOGUE, Kind, PropertyInfo
from verification.wording import ENGLISH

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "avalVerdict/v1"
"""Of property, function and the text of the line, so that a result is known again when it has moved."""

_UNDECIDED = (Outcome.UNKNOWN, Outcome.BOUNDED, Outcome.UNSUPPORTED)
_RULES = {slug: number for number, slug in enumerate(CATALOGUE)}
_WEAKNESSES = sorted({info.cwe for info in CATALOGUE.values() if info.cwe is not None})


def to_sarif(reports: Sequence[tuple[str, str, Report]], *, include_undecided: bool = False) -> dict[str, Any]:
    """One run over (path, source, report); with `include_undecided`, notes on what was neither proved nor refuted."""
    seen: Counter[str] = Counter()
    results = [
        _result(path, program, report.entry, verdict, seen)
        for path, program, report in ((path, Program(source), report) for path, source, report in reports)
        for verdict in report.verdicts
        if verdict.outcome is Outcome.REFUTED or (include_undecided and verdict.outcome in _UNDECIDED)
    ]
    run = {
        "tool": {"driver": _driver()},
        "columnKind": "unicodeCodePoints",
        "taxonomies": [_taxonomy()],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


# --- rules


def _driver() -> dict[str, Any]:
    return {
        "name": "Aval",
        "version": VERIFIER_VERSION,
        "supportedTaxonomies": [{"name": "CWE", "index": 0}],
        "rules": [_rule(info) for info in CATALOGUE.values()],
    }


def _rule(info: PropertyInfo) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": info.slug,
        "shortDescription": {"text": f"The function {info.obliges}."},
        "help": {"text": _help(info)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": [*_tags(info)], "kind": str(info.kind)},
    }
    if info.cwe is not None:
        target = {
            "id": str(info.cwe),
            "index": _WEAKNESSES.index(info.cwe),
            "toolComponent": {"name": "CWE", "index": 0},
        }
        rule["relationships"] = [{"target": target, "kinds": ["relevant"]}]
    return rule


def _help(info: PropertyInfo) -> str:
    violated = "An error means that the call in the message was run in a sandbox and broke the property."
    undecided = "A note means that the property was neither proved nor refuted; its reason says why."
    return f"A function that satisfies {info.slug} {info.obliges}. {violated} {undecided}"


def _tags(info: PropertyInfo) -> Iterable[str]:
    yield "security" if info.kind is Kind.SECURITY else "correctness"
    if info.cwe is not None:
        yield f"external/cwe/cwe-{info.cwe:03d}"


def _taxonomy() -> dict[str, Any]:
    return {
        "name": "CWE",
        "organization": "MITRE",
        "shortDescription": {"text": "The MITRE Common Weakness Enumeration"},
        "taxa": [{"id": str(number)} for number in _WEAKNESSES],
    }


# --- results


def _result(path: str, program: Program, entry: str, verdict: Verdict, seen: Counter[str]) -> dict[str, Any]:
    place = program.place(verdict)
    refuted = verdict.outcome is Outcome.REFUTED
    return {
        "ruleId": verdict.property,
        "ruleIndex": _RULES[verdict.property],
        "level": "error" if refuted else "note",
        "message": {"text": _message(verdict)},
        "locations": [_location(path, entry, place)],
        "partialFingerprints": {FINGERPRINT: _fingerprint(path, entry, verdict, place, seen)},
        "properties": {"outcome": str(verdict.outcome)},
    }


def _message(verdict: Verdict) -> str:
    obliges = CATALOGUE[verdict.property].obliges
    if verdict.counterexample is not None:
        call, observed = verdict.counterexample.call, verdict.counterexample.observed
        return f"{call} breaks {verdict.property} ({obliges}): {observed}"
    return f"{verdict.property} ({obliges}): {ENGLISH.meanings[verdict.outcome]}. {verdict.reason}"


def _location(path: str, entry: str, place: Place | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if place is not None:
        physical["region"] = {
            "startLine": place.line,
            "startColumn": place.start + 1,
            "endColumn": place.end + 1,
            "snippet": {"text": place.text},
        }
    location: dict[str, Any] = {"physicalLocation": physical}
    if entry:
        location["logicalLocations"] = [{"name": entry, "kind": "function"}]
    return location


def _uri(path: str) -> str:
    """Relative paths stay relative, as code hosts want them."""
    if path == "-":
        return "stdin"
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())


def _fingerprint(path: str, entry: str, verdict: Verdict, place: Place | None, seen: Counter[str]) -> str:
    text = "" if place is None else " ".join(place.text.split())
    whole = "\0".join((Path(path).name, entry, verdict.property, str(verdict.outcome), text))
    seen[whole] += 1
    return hashlib.sha256(f"{whole}\0{seen[whole]}".encode(errors="backslashreplace")).hexdigest()
