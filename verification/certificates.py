"""Certificates: the obligations behind a proof as SMT-LIB 2, and their recheck by a second solver alone.

A certificate shows that the *encoding* of the program has no violation: each script must be unsatisfiable. The first
kind says that no path was left out (the inputs not on any explored path are none); the others are the branches that
were found impossible. It rests on the encoding of Python in `symbolic`, which the differential tests compare with
CPython, and on the stated assumptions.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import z3

from verification.abstract.prove import Proof
from verification.outcome import Certificate
from verification.symbolic.explore import Exploration, Leaf
from verification.symbolic.state import Step, steps

RESOURCE_LIMIT = 200_000
"""cvc5's own resource units for one script: deterministic, unlike seconds."""


def certify(scripts: Sequence[str], *, source: str, slug: str, assumptions: Sequence[str]) -> Certificate:
    """The certificate of a property that a complete exploration proved."""
    import cvc5

    from verification import VERIFIER_VERSION

    return Certificate(
        obligations=tuple(scripts),
        source_sha256=hashlib.sha256(source.encode()).hexdigest(),
        property=slug,
        assumptions=tuple(assumptions),
        versions={
            "verifier": VERIFIER_VERSION,
            "z3": z3.get_version_string(),
            "cvc5": cvc5.__version__,
            "python": ".".join(map(str, sys.version_info[:2])),
        },
    )


def obligations(exploration: Exploration) -> list[str]:
    """The scripts: one cover for each choice among the parameters' alternatives, then each impossible branch."""
    everything = [*exploration.leaves, *exploration.excluded]
    covers = []
    for variant in sorted({leaf.variant for leaf in everything}):
        leaves = [leaf for leaf in everything if leaf.variant == variant]
        covers.append(_script(exploration, _uncovered(leaves, exploration.machine.context)))
    branches = [[step.term for step in steps(path)] for path in exploration.machine.discharged]
    return covers + [_script(exploration, terms[::-1]) for terms in branches]


def proof_obligations(proof: Proof) -> list[str]:
    """The scripts of a proof about all runs: whatever was shown not to happen, each together with what led there."""
    assert proof.machine is not None
    context = proof.machine.context
    scripts: dict[str, None] = {}
    for shown in proof.discharged:
        terms = [step.term for step in steps(shown.path)][::-1]
        scripts[_written(context, [*terms, *shown.extra])] = None
    return list(scripts) or [_written(context, [z3.BoolVal(False, context)])]


def _uncovered(leaves: Sequence[Leaf], context: Any) -> list[Any]:
    """Inputs that are on no path: every fact where it was made, and no leaf's decisions."""
    facts: dict[Step, Any] = {}
    paths = []
    for leaf in leaves:
        trail = list(steps(leaf.path))[::-1]
        decisions: list[Any] = []
        for step in trail:
            if step.decision:
                decisions.append(step.term)
            elif step not in facts:
                facts[step] = z3.Implies(_all(decisions, context), step.term)
        paths.append(_all(decisions, context))
    return [*facts.values(), *(z3.Not(path) for path in paths)]


def _all(terms: Sequence[Any], context: Any) -> Any:
    return z3.And(*terms) if len(terms) > 1 else terms[0] if terms else z3.BoolVal(True, context)


def _script(exploration: Exploration, terms: Iterable[Any]) -> str:
    return _written(exploration.machine.context, terms)


def _written(context: Any, terms: Iterable[Any]) -> str:
    solver = z3.Solver(ctx=context)
    solver.add(*terms)
    return "(set-logic ALL)\n" + solver.to_smt2()


def recheck(certificate: Certificate, *, resource_limit: int = RESOURCE_LIMIT) -> bool:
    """Whether cvc5 finds every obligation unsatisfiable within the limit."""
    return agrees(certificate.obligations, resource_limit=resource_limit)


def agrees(scripts: Sequence[str], *, resource_limit: int = RESOURCE_LIMIT) -> bool:
    """Whether cvc5 finds every script unsatisfiable; none at all shows nothing."""
    return bool(scripts) and all(answer(script, resource_limit=resource_limit) == "unsat" for script in scripts)


def answer(script: str, *, resource_limit: int = RESOURCE_LIMIT) -> str:
    """cvc5's answer to a script: sat, unsat, or unknown (which includes a script that it can't read)."""
    import cvc5

    solver = cvc5.Solver()
    solver.setOption("strings-exp", "true")
    solver.setOption("rlimit", str(resource_limit))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "obligation")
    symbols = parser.getSymbolManager()
    said = "unknown"
    try:
        while not (command := parser.nextCommand()).isNull():
            said = str(command.invoke(solver, symbols)).strip() or said
    except RuntimeError:
        return "unknown"
    return said if said in ("sat", "unsat") else "unknown"


def write(certificate: Certificate, folder: Path, name: str) -> Path:
    """Store a certificate as JSON; the name is the program's and the property's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{certificate.property}.json"
    path.write_text(json.dumps(certificate.to_json(), indent=1) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Certificate:
    """Read a stored certificate; ValueError that names the file if it isn't one."""
    try:
        return Certificate.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a certificate ({error}): write one with --certificates") from None
