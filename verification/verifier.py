"""verify(): read the program, explore it, replay what was found, conclude one verdict a property."""

from __future__ import annotations

import ast
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from verification import certificates
from verification.outcome import Counterexample, Outcome, Report, Verdict
from verification.properties import DEFAULT, SECURITY, known
from verification.replay import Call, Observation, replay
from verification.request import Contract, Limits
from verification.sandbox import Pool
from verification.security.sinks import check as check_security
from verification.symbolic.explore import CONTRACT, EXPLORED_SLUGS, Exploration, Violation, broken_by, explore_within
from verification.symbolic.inputs import Parameter, boundary_calls, parameters
from verification.triage import Unreadable, choose_entry, read

EXPLORED: tuple[str, ...] = (*EXPLORED_SLUGS, CONTRACT)
"""The properties that exploration decides."""

BOUNDARY_CALLS = 8
TYPED = "arguments are exactly of their annotated types, and no two of them are the same object"
RESOURCES = "memory and recursion depth suffice"
RECURSION_LIMIT = 9_000
"""The executor recurses along the syntax and nested calls, both of which are bounded by the limits."""


def verify(
    source: str,
    *,
    entry: str | None = None,
    properties: Sequence[str] = DEFAULT,
    contract: Contract | None = None,
    limits: Limits | None = None,
    certify: bool = False,
    pool: Pool | None = None,
) -> Report:
    """Check each property of the program's entry function (by default its last function).

    A program that can't be read is a verdict, not an error. `certify` attaches certificates to proofs.
    Counterexamples are replayed in `pool`, or in the sandbox that this process shares.
    """
    started = time.process_time()
    limits = limits or Limits()
    for slug in properties:
        known(slug)
    tree = read(source, limits)
    name = choose_entry(tree, entry) if isinstance(tree, ast.Module) else tree
    if isinstance(tree, Unreadable) or isinstance(name, Unreadable):
        trouble = tree if isinstance(tree, Unreadable) else name
        assert isinstance(trouble, Unreadable)
        verdicts = [Verdict(slug, Outcome.UNSUPPORTED, trouble.reason, trouble.line) for slug in properties]
        return Report(entry or "", tuple(verdicts), time.process_time() - started)
    program = _Program(source, tree, name, contract, limits, certify, pool)
    with _deep_recursion():
        verdicts, sandboxed = _verdicts(program, properties)
    spent = time.process_time() - started + sandboxed
    share = spent / max(len(verdicts), 1)
    return Report(name, tuple(replace(verdict, cpu_seconds=share) for verdict in verdicts), spent)


@dataclass(frozen=True)
class _Program:
    """What the steps below share."""

    source: str
    tree: ast.Module
    entry: str
    contract: Contract | None
    limits: Limits
    certify: bool
    pool: Pool | None

    @property
    def parameters(self) -> list[Parameter]:
        """Those of the last definition of the entry, which is the one that counts."""
        found = [node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == self.entry]
        return parameters(found[-1]) if found else []

    def call(self, arguments: Sequence[object]) -> Call:
        positional = sum(not parameter.keyword_only for parameter in self.parameters)
        named = [parameter.name for parameter in self.parameters[positional:]]
        keywords = tuple(zip(named, arguments[positional:], strict=False))
        return Call(self.entry, tuple(arguments[:positional]), keywords)


def _verdicts(program: _Program, properties: Sequence[str]) -> tuple[list[Verdict], float]:
    verdicts: dict[str, Verdict] = {}
    sandboxed = 0.0
    explored = [slug for slug in properties if slug in EXPLORED]
    if explored:
        found, spent = _explored(program, explored)
        verdicts.update(found)
        sandboxed += spent
    for slug in properties:
        if slug in SECURITY:
            verdicts[slug], spent = check_security(program.source, program.tree, program.entry, slug, pool=program.pool)
            sandboxed += spent
        elif slug not in verdicts:
            verdicts[slug] = Verdict(slug, Outcome.UNSUPPORTED, "this version does not check the property")
    return [verdicts[slug] for slug in properties], sandboxed


def _explored(program: _Program, slugs: Sequence[str]) -> tuple[dict[str, Verdict], float]:
    """One exploration and one use of the sandbox for all the properties."""
    found = explore_within(program.tree, program.entry, contract=program.contract, limits=program.limits)
    suspects = [violation for violation in found.violations if violation.property in slugs]
    calls = [program.call(v.arguments) for v in suspects if v.arguments is not None]
    if suspects or not found.complete:
        calls += [program.call(row) for row in boundary_calls(program.parameters, BOUNDARY_CALLS)]
    names = [parameter.name for parameter in program.parameters]
    if suspects and not calls:
        calls = [program.call(())]
    calls = list({str(call): call for call in calls}.values())
    seen, spent = replay(program.source, calls, parameters=names, contract=program.contract, pool=program.pool)
    evidence = _Evidence(found)
    return {slug: _conclude(program, found, evidence, slug, seen) for slug in slugs}, spent


def _conclude(
    program: _Program, found: Exploration, evidence: _Evidence, slug: str, seen: Sequence[Observation]
) -> Verdict:
    shown = [observation for observation in seen if slug in _broken(observation, program.contract)]
    if shown:
        best = min(shown, key=lambda observation: len(observation.call))
        counterexample = Counterexample(best.call, best.observed)
        return Verdict(slug, Outcome.REFUTED, best.observed, best.line, counterexample)
    suspects = [violation for violation in found.violations if violation.property == slug]
    if suspects:
        return _not_replayed(program, slug, suspects[0], seen)
    return _without_violation(program, found, evidence, slug)


def _broken(observation: Observation, contract: Contract | None) -> tuple[str, ...]:
    if observation.status == "broken":
        return (CONTRACT,)
    if observation.status != "raised":
        return ()
    return broken_by(observation.ancestors, observation.about_none, contract)


def _not_replayed(program: _Program, slug: str, suspect: Violation, seen: Sequence[Observation]) -> Verdict:
    where = f"a possible violation at line {suspect.line}"
    if suspect.arguments is None:
        return Verdict(
            slug, Outcome.UNKNOWN, f"{where} has no input that could be shown ({suspect.note})", suspect.line
        )
    text = str(program.call(suspect.arguments))
    status = next((observation.status for observation in seen if observation.call == text), "lost")
    return Verdict(
        slug, Outcome.UNKNOWN, f"{where} was not confirmed: {text} {_STATUS.get(status, status)}", suspect.line
    )


_STATUS = {
    "returned": "returned normally",
    "raised": "raised another exception",
    "excluded": "does not meet the precondition",
    "budget": "ran for too many steps",
    "lost": "could not be run in the sandbox",
}


def _without_violation(program: _Program, found: Exploration, evidence: _Evidence, slug: str) -> Verdict:
    machine = found.machine
    if machine.refusals:
        first = machine.refusals[0]
        return Verdict(slug, Outcome.UNSUPPORTED, f"{first.construct} is not modelled", first.line)
    if found.exhausted:
        return Verdict(slug, Outcome.UNKNOWN, f"the budget of {found.exhausted} was used up")
    if machine.cuts:
        bound = _bound(machine.limits.unroll)
        return Verdict(slug, Outcome.BOUNDED, bound, machine.cuts[0].line)
    if not found.leaves:
        return Verdict(slug, Outcome.VACUOUS, "no input meets the precondition")
    if slug == CONTRACT and (program.contract is None or not _promises(program.contract)):
        return Verdict(slug, Outcome.VACUOUS, "no postcondition was given")
    if slug != CONTRACT and slug not in machine.obligations:
        return Verdict(slug, Outcome.VACUOUS, "nothing in the program can break it")
    return _proved(program, found, evidence, slug)


def _bound(unroll: int) -> str:
    many = f"{unroll} iterations, elements or nested calls" if unroll > 1 else "one iteration, element or nested call"
    return f"no violation with up to {many}"


def _promises(contract: Contract) -> bool:
    return contract.post is not None or bool(contract.allowed_exceptions)


def _proved(program: _Program, found: Exploration, evidence: _Evidence, slug: str) -> Verdict:
    assumptions = (TYPED, RESOURCES, *found.machine.assumptions)
    if found.machine.uses_text and not evidence.agreed:
        return Verdict(slug, Outcome.UNKNOWN, "a proof about strings that the second solver did not confirm")
    certificate = None
    if program.certify:
        certificate = certificates.certify(evidence.scripts, source=program.source, slug=slug, assumptions=assumptions)
    return Verdict(slug, Outcome.PROVED, f"all {len(found.leaves)} paths hold", None, None, certificate, assumptions)


class _Evidence:
    """The obligations of an exploration, written and rechecked once for all its properties, if at all."""

    def __init__(self, found: Exploration) -> None:
        self._found = found

    @cached_property
    def scripts(self) -> list[str]:
        return certificates.obligations(self._found)

    @cached_property
    def agreed(self) -> bool:
        return certificates.agrees(self.scripts)


@contextlib.contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
