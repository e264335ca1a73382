"""Compares what `verify()` says of a program with what CPython does: every difference is a disagreement."""

from __future__ import annotations

import ast
import json
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.verification.fuzz.engines import Engine
from tests.verification.fuzz.inputs import calls
from tests.verification.fuzz.oracle import PATIENT_LINES, Run, observe
from verification import Contract
from verification.outcome import Outcome, Report, Verdict
from verification.properties import DEFAULT
from verification.verifier import verify

EXTRA = ("termination", "recursion", "float", "argument-mutation", "return-type")
"""Beside the default properties, a random part of these is asked for."""

PROOFS = (Outcome.PROVED, Outcome.VACUOUS)
INPUTS = 120
HISTORIES = 8
"""Calls that follow others in the same module, for programs that may keep something from call to call."""

FLOATED = "turned into floats"
"""In an assumption, that integers which become floats are of ordinary size: then only calls with smaller ones count."""

FLOATED_BELOW = 1 << 20
PRINTED = "text that is printed can be encoded"
"""Another: then a call whose error is that it can't be doesn't count."""

SLOW_INTEGERS = 20
"""A call with a larger number may run long and still end."""


@dataclass(frozen=True)
class Disagreement:
    """Something that was said and isn't so."""

    kind: str
    """``false proof``, ``false refutation``, ``not ended``, ``unstable`` or ``crash``."""

    slug: str
    detail: str

    @property
    def cause(self) -> str:
        """What disagreements that are likely of one cause have in common: all but the numbers and names in the error."""
        error = self.detail.rpartition(" -> ")[2] if self.kind != "crash" else self.detail.strip().rpartition("\n")[2]
        return f"{self.kind} {self.slug} {re.sub(r'[0-9]+|line .*', '', error)[:60]}"

    def __str__(self) -> str:
        return f"{self.kind} of {self.slug}: {self.detail}" if self.slug else f"{self.kind}: {self.detail}"


@dataclass(frozen=True)
class Checked:
    """A program's verdicts and what is wrong with them."""

    report: Report | None
    disagreements: tuple[Disagreement, ...]
    runs: int
    """Inputs that the proofs were tried on."""


def properties_for(seed: object, contract: Contract | None = None) -> tuple[str, ...]:
    chance = Random(f"properties of {seed}")
    extra = [slug for slug in EXTRA if chance.random() < 0.5]
    return (*DEFAULT, *extra, *(["contract"] if contract is not None else []))


def check(
    source: str,
    *,
    seed: object,
    entry: str = "f",
    properties: Sequence[str] | None = None,
    contract: Contract | None = None,
    again: bool = False,
    inputs: int = INPUTS,
    verifier: Engine = verify,
) -> Checked:
    """Verify the program and try its proofs on inputs drawn from the seed; `again` verifies it twice."""
    asked = properties_for(seed, contract) if properties is None else tuple(properties)
    try:
        report = verifier(source, entry=entry, properties=asked, contract=contract)
        second = verifier(source, entry=entry, properties=asked, contract=contract) if again else report
    except Exception:  # noqa: BLE001 - whatever the verifier raises is a finding
        return Checked(None, (Disagreement("crash", "", traceback.format_exc(limit=-4)),), 0)
    found = [] if _plain(report) == _plain(second) else [_unstable(report, second)]
    found += _false_refutations(source, entry, report, contract)
    proved = {verdict.property: verdict for verdict in report.verdicts if verdict.outcome in PROOFS}
    histories = _histories(source, entry, seed, inputs) if proved else []
    runs = observe(source, entry, histories, contract=contract)
    found += _false_proofs(proved, runs)
    if "termination" in proved:
        found += _endless(source, entry, runs, contract)
    return Checked(report, tuple(found), len(runs))


def _plain(report: Report) -> str:
    """The report without its times."""
    data = report.to_json()
    for part in (data, *data["verdicts"]):
        part.pop("cpu_seconds")
    return json.dumps(data, sort_keys=True)


def _unstable(first: Report, second: Report) -> Disagreement:
    for one, other in zip(first.verdicts, second.verdicts, strict=True):
        if (one.outcome, one.reason, one.counterexample) != (other.outcome, other.reason, other.counterexample):
            detail = f"{one.outcome} ({one.reason}), then {other.outcome} ({other.reason})"
            return Disagreement("unstable", one.property, detail)
    return Disagreement("unstable", "", "certificates or assumptions differ")


def _histories(source: str, entry: str, seed: object, count: int) -> list[tuple[str, ...]]:
    single = calls(source, entry, seed=f"inputs of {seed}", count=count)
    histories: list[tuple[str, ...]] = [(call,) for call in single]
    if single and _keeps_state(source):
        chance = Random(f"histories of {seed}")
        histories += [tuple(chance.choices(single, k=3)) for _ in range(HISTORIES)]
    return histories


def _keeps_state(source: str) -> bool:
    """Whether a second call might behave unlike the first: module-level values or default arguments."""
    tree = ast.parse(source)
    values = any(isinstance(node, ast.Assign | ast.AnnAssign) for node in tree.body)
    return values or any(isinstance(node, ast.arguments) and node.defaults for node in ast.walk(tree))


def _false_proofs(proved: dict[str, Verdict], runs: Sequence[Run]) -> list[Disagreement]:
    """The shortest input that breaks each property said to hold."""
    found = []
    for slug, verdict in proved.items():
        breaking = [run for run in runs if slug in run.broken and not run.excused]
        if any(FLOATED in assumption for assumption in verdict.assumptions):
            breaking = [run for run in breaking if all(_below(call, FLOATED_BELOW) for call in run.history)]
        if PRINTED in verdict.assumptions:
            breaking = [run for run in breaking if "UnicodeEncodeError" not in run.ancestors]
        if breaking:
            worst = min(breaking, key=lambda run: (len(run.history), len(str(run))))
            where = f" at line {worst.line}" if worst.line else ""
            detail = f"{verdict.outcome} ({verdict.reason}), yet {worst}{where}"
            found.append(Disagreement("false proof", slug, detail))
    return found


def _came_to_an_end(
    source: str, entry: str, call: str, verdict: Verdict, contract: Contract | None
) -> list[Disagreement]:
    for run in observe(source, entry, [(call,)], contract=contract, lines=PATIENT_LINES):
        if run.status in ("returned", "raised"):
            return [Disagreement("false refutation", "termination", f"{verdict.reason}, yet {run}")]
    return []


def _endless(source: str, entry: str, runs: Sequence[Run], contract: Contract | None) -> list[Disagreement]:
    """Calls with small numbers that are still running after very many lines: not a proof, but worth a look."""
    slow = [run.history for run in runs if run.status == "budget" and len(run.history) == 1]
    spent = [history for history in slow if _below(history[0], SLOW_INTEGERS)]
    for run in observe(source, entry, spent[:2], contract=contract, lines=PATIENT_LINES):
        if run.status == "budget":
            detail = f"proved, yet {run.history[0]} is still running after {PATIENT_LINES} lines"
            return [Disagreement("not ended", "termination", detail)]
    return []


def _below(call: str, limit: int) -> bool:
    """Whether all integers of the call are smaller."""
    constants = [node.value for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Constant)]
    return "**" not in call and all(not isinstance(value, int) or abs(value) < limit for value in constants)


def _false_refutations(source: str, entry: str, report: Report, contract: Contract | None) -> list[Disagreement]:
    """Counterexamples that don't break what they are said to break."""
    refuted = [verdict for verdict in report.verdicts if verdict.outcome is Outcome.REFUTED]
    missing = [verdict for verdict in refuted if verdict.counterexample is None]
    found = [Disagreement("false refutation", verdict.property, "no counterexample") for verdict in missing]
    shown = [(verdict, verdict.counterexample.call) for verdict in refuted if verdict.counterexample is not None]
    distinct = list(dict.fromkeys(call for _, call in shown))
    runs = dict(zip(distinct, observe(source, entry, [(call,) for call in distinct], contract=contract), strict=True))
    for verdict, call in shown:
        run = runs[call]
        if verdict.property == "termination":
            found += _came_to_an_end(source, entry, call, verdict, contract)
            continue
        if run.status in ("lost", "budget"):
            continue
        if verdict.property not in run.broken:
            found.append(Disagreement("false refutation", verdict.property, f"{verdict.reason}, yet {run}"))
    return found
