"""verify(): read the program, explore it, replay what was found, conclude one verdict a property."""

from __future__ import annotations

import ast
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from verification import certificates
from verification.abstract.prove import MAX_PARAMETERS, Proof, prove, prove_finite
from verification.annotations import strange_annotation
from verification.boundary import calls_for, further_calls_for
from verification.endless import Stand, goes_on_for_ever, told
from verification.harness import HARNESS, Harness, NoHarness, equivalence, int_bounds
from verification.inference import Guess, annotated, guesses
from verification.minimise import minimise
from verification.nodes import walk
from verification.outcome import Counterexample, Outcome, Report, Verdict
from verification.properties import DEFAULT, SECURITY, known
from verification.replay import Call, Observation, replay
from verification.request import Contract, Limits
from verification.sandbox import Pool
from verification.security.sinks import check as check_security
from verification.symbolic import terms
from verification.symbolic.explore import CONTRACT, EXPLORED_SLUGS, Exploration, Violation, broken_by, explore_within
from verification.symbolic.inputs import Parameter, parameters
from verification.triage import Unreadable, choose_entry, read

EXPLORED: tuple[str, ...] = (*EXPLORED_SLUGS, CONTRACT)
"""The properties that exploration decides."""

PROVABLE: tuple[str, ...] = (*EXPLORED, "termination", "recursion", "float", "argument-mutation", "return-type")
"""The properties that a proof attempt decides, and running the program may refute."""

HARNESSED = ("int-bounds", "equivalence")
"""Those that are put as an assertion in a function around the entry."""

BOUNDARY_CALLS = 12
FURTHER_CALLS = 60
"""Where those refute nothing, and no proof shows all of it."""
LONG_CALL = 48
"""A failing call longer than this is made smaller before it is shown."""

TYPED = "arguments are exactly of their annotated types, and no two of them share an object"
RESOURCES = "memory and recursion depth suffice; counts and positions stay below 2**63, code points below 2**31"
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
    found = guesses(tree, name)
    program = _Program(source, annotated(tree, name, found), name, contract, limits, certify, pool)
    with _deep_recursion():
        verdicts, sandboxed = _verdicts(program, properties)
    if found:
        verdicts = [_under(found, verdict) for verdict in verdicts]
    spent = time.process_time() - started + sandboxed
    share = spent / max(len(verdicts), 1)
    return Report(name, tuple(replace(verdict, cpu_seconds=share) for verdict in verdicts), spent)


def _under(found: Sequence[Guess], verdict: Verdict) -> Verdict:
    """The verdict where types of parameters were guessed: a call with the wrong type of argument refutes nothing."""
    if verdict.property in SECURITY or verdict.outcome in (Outcome.UNSUPPORTED, Outcome.UNKNOWN):
        return verdict
    shown = verdict.counterexample
    if shown is not None and shown.observed.startswith(("TypeError", "AttributeError")):
        what = f"{shown.call} raises {shown.observed.partition(':')[0]}, which may be no call that is meant"
        return replace(verdict, outcome=Outcome.UNKNOWN, reason=what, counterexample=None)
    return replace(verdict, assumptions=(*verdict.assumptions, *map(str, found)))


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

    @cached_property
    def parameters(self) -> list[Parameter]:
        """Those of the last definition of the entry, which is the one that counts."""
        found = [node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == self.entry]
        return parameters(found[-1]) if found else []

    def context(self) -> terms.Context | None:
        """For a proof whose certificate is wanted, a context of its own: certificates are written from its terms."""
        return terms.Context() if self.certify else None

    def call(self, arguments: Sequence[object]) -> Call:
        positional = sum(not parameter.keyword_only for parameter in self.parameters)
        named = [parameter.name for parameter in self.parameters[positional:]]
        keywords = tuple(zip(named, arguments[positional:], strict=False))
        return Call(self.entry, tuple(arguments[:positional]), keywords)


def _verdicts(program: _Program, properties: Sequence[str]) -> tuple[list[Verdict], float]:
    verdicts: dict[str, Verdict] = {}
    sandboxed = 0.0
    behaviour = [slug for slug in properties if slug in PROVABLE or slug in HARNESSED]
    if behaviour:
        found, spent = _decided(program, behaviour)
        verdicts.update(found)
        sandboxed += spent
    for slug in properties:
        if slug in SECURITY:
            verdicts[slug], spent = check_security(program.source, program.tree, program.entry, slug, pool=program.pool)
            sandboxed += spent
        elif slug not in verdicts:
            verdicts[slug] = Verdict(slug, Outcome.UNSUPPORTED, "this version does not check the property")
    return [verdicts[slug] for slug in properties], sandboxed


def _decided(program: _Program, slugs: Sequence[str]) -> tuple[dict[str, Verdict], float]:
    """First what running it shows, then what can be proved of all runs, then single paths for what is left."""
    runs = _Runs(program, tuple(slugs))
    if len(program.parameters) <= MAX_PARAMETERS:
        runs.observe([program.call(row) for row in calls_for(program.parameters, BOUNDARY_CALLS)])
    verdicts = runs.refutations(slugs)
    verdicts |= {slug: verdict for slug in slugs if (verdict := _unasked(program, slug)) is not None}
    left = [slug for slug in slugs if slug not in verdicts]
    strange = strange_annotation(program.tree)
    if strange is not None:
        what = f"the annotation {ast.unparse(strange)} is not modelled"
        verdicts |= {slug: Verdict(slug, Outcome.UNSUPPORTED, what, strange.lineno) for slug in left}
        return verdicts, runs.cpu_seconds
    verdicts |= {slug: _harnessed(program, runs, slug) for slug in left if slug in HARNESSED}
    left = [slug for slug in left if slug not in verdicts]
    if left:
        fails = any(verdict.outcome is Outcome.REFUTED and slug in EXPLORED for slug, verdict in verdicts.items())
        proof = prove(
            program.tree,
            program.entry,
            contract=program.contract,
            limits=program.limits,
            slugs=left,
            brief=fails,  # the program has to change anyway
            context=program.context(),
        )
        verdicts |= {slug: _shown(program, proof, slug) for slug in left if proof.holds(slug)}
        left = [slug for slug in left if slug not in verdicts]
        if "float" in left and proof.complete:
            finite = prove_finite(
                program.tree,
                program.entry,
                contract=program.contract,
                limits=program.limits,
                brief=fails,
                context=program.context(),
            )
            if finite.holds("float"):
                verdicts["float"] = _shown(program, finite, "float")
                left.remove("float")
        refuted = any(verdict.outcome is Outcome.REFUTED for verdict in verdicts.values())
        if left and runs.seen and not refuted:
            runs.go_further()
            verdicts |= runs.refutations(left)
            left = [slug for slug in left if slug not in verdicts]
        if "termination" in left and (endless := _without_end(program, runs)) is not None:
            verdicts["termination"] = endless
            left.remove("termination")
        explorable = [slug for slug in left if slug in EXPLORED or (slug == "termination" and _has_while(program))]
        if explorable:
            verdicts |= _explored(program, proof, runs, explorable)
        verdicts |= {slug: _left_open(proof, slug) for slug in left if slug not in verdicts}
    return verdicts, runs.cpu_seconds


@dataclass
class _Runs:
    """Calls of the program that were run in the sandbox, and what they showed."""

    program: _Program
    slugs: tuple[str, ...]
    seen: list[Observation] = field(default_factory=list)
    broken: list[tuple[str, ...]] = field(default_factory=list)
    """What each of the calls was seen to break."""
    cpu_seconds: float = 0.0

    def observe(self, calls: Sequence[Call]) -> None:
        known = {one.made.blob for one in self.seen}
        new = [call for blob, call in {call.blob: call for call in calls}.items() if blob not in known]
        if not new:
            return
        seen = self._run(new)
        self.seen += seen
        self.broken += [_broken(one, self.program.contract) for one in seen]

    def go_further(self) -> None:
        further = further_calls_for(self.program.parameters, BOUNDARY_CALLS, FURTHER_CALLS)
        self.observe([self.program.call(row) for row in further])

    def _run(self, calls: Sequence[Call]) -> list[Observation]:
        program = self.program
        names = [parameter.name for parameter in program.parameters]
        seen, spent = replay(
            program.source,
            calls,
            parameters=names,
            contract=program.contract,
            pool=program.pool,
            properties=self.slugs,
        )
        self.cpu_seconds += spent
        return seen

    def refutations(self, slugs: Sequence[str]) -> dict[str, Verdict]:
        return {slug: verdict for slug in slugs if (verdict := self.refuted(slug)) is not None}

    def refuted(self, slug: str) -> Verdict | None:
        """The verdict with the shortest call that was seen to break the property."""
        shown = [one for one, broken in zip(self.seen, self.broken, strict=True) if slug in broken]
        if not shown:
            return None
        best = min(shown, key=lambda one: len(one.call))
        if len(best.call) > LONG_CALL:
            best = self._smaller(slug, best)
        return Verdict(slug, Outcome.REFUTED, best.shows(slug), best.line, Counterexample(best.call, best.shows(slug)))

    def _smaller(self, slug: str, best: Observation) -> Observation:
        kept = {best.call: best}

        def still_fails(calls: Sequence[Call]) -> list[bool]:
            seen = self._run(calls)
            kept.update({str(one): found for one, found in zip(calls, seen, strict=True)})
            return [slug in _broken(one, self.program.contract) for one in seen]

        return kept[str(minimise(best.made, still_fails))]


def _broken(observation: Observation, contract: Contract | None) -> tuple[str, ...]:
    if observation.status == "broken":
        return (CONTRACT, *observation.breaks)
    if observation.status != "raised":
        return observation.breaks
    return (*broken_by(observation.ancestors, observation.about_none, contract), *observation.breaks)


# --- proofs of all runs


def _shown(program: _Program, proof: Proof, slug: str) -> Verdict:
    if slug == CONTRACT and (program.contract is None or not _promises(program.contract)):
        return Verdict(slug, Outcome.VACUOUS, "no postcondition was given")
    assumptions = (TYPED, RESOURCES, *proof.assumptions)
    if slug not in proof.obligations:
        return Verdict(slug, Outcome.VACUOUS, "nothing in the program can break it", assumptions=assumptions)
    certificate = None
    if program.certify:
        scripts = certificates.proof_obligations(proof)
        certificate = certificates.certify(scripts, source=program.source, slug=slug, assumptions=assumptions)
    return Verdict(slug, Outcome.PROVED, "no run breaks it", None, None, certificate, assumptions)


def _left_open(proof: Proof, slug: str) -> Verdict:
    """What kept a property from being proved, where single paths say no more."""
    if proof.refusal is not None:
        return Verdict(slug, Outcome.UNSUPPORTED, f"{proof.refusal.construct} is not modelled", proof.refusal.line)
    if proof.exhausted is not None:
        return Verdict(slug, Outcome.UNKNOWN, f"the budget of {proof.exhausted} was used up")
    suspect = next(suspect for suspect in proof.suspects if suspect.property == slug)
    return Verdict(slug, Outcome.UNKNOWN, suspect.reason, suspect.line)


# --- questions in a function around the entry

_NOT_SHOWN = {
    "int-bounds": "it was not shown that the result stays within the range",
    "equivalence": "it was not shown that the reference does the same",
}


def _unasked(program: _Program, slug: str) -> Verdict | None:
    contract = program.contract or Contract()
    if slug == "int-bounds" and contract.int_range is None:
        return Verdict(slug, Outcome.VACUOUS, "no range was stated")
    if slug == "equivalence" and contract.reference is None:
        return Verdict(slug, Outcome.VACUOUS, "no reference was given")
    return None


def _harnessed(program: _Program, runs: _Runs, slug: str) -> Verdict:
    """Lines are left out: they would be those of the function around the entry, or of the reference."""
    try:
        harness = _harness(program, slug)
    except NoHarness as no:
        return Verdict(slug, Outcome.UNSUPPORTED, f"{no} is not modelled")
    contract = Contract(pre=harness.pre)
    needed = ("assertion", "termination", "recursion") if slug == "equivalence" else ("assertion",)
    proof = prove(
        harness.tree,
        HARNESS,
        contract=contract,
        limits=program.limits,
        slugs=needed,
        context=program.context(),
    )
    if all(map(proof.holds, needed)):
        return _shown(program, replace(proof, obligations=proof.obligations | {slug}), slug)
    limits = _narrowed(program.limits, _SINGLE_PATHS)
    found = explore_within(harness.tree, HARNESS, contract=contract, limits=limits)
    suspects = [violation for violation in found.violations if violation.property == "assertion"]
    runs.observe([program.call(one.arguments) for one in suspects if one.arguments is not None])
    refuted = runs.refuted(slug)
    if refuted is None and runs.seen:
        runs.go_further()
        refuted = runs.refuted(slug)
    if refuted is not None:
        return refuted
    verdict = Verdict(slug, Outcome.UNKNOWN, _NOT_SHOWN[slug])
    if not suspects:
        verdict = _without_violation(replace(program, certify=False), found, _Evidence(found), "assertion")
    if proof.complete and verdict.outcome is not Outcome.PROVED and verdict.outcome is not Outcome.BOUNDED:
        verdict = Verdict(slug, Outcome.UNKNOWN, _NOT_SHOWN[slug])
    return replace(verdict, property=slug, line=None)


def _harness(program: _Program, slug: str) -> Harness:
    contract = program.contract
    assert contract is not None
    if slug == "int-bounds":
        assert contract.int_range is not None
        return int_bounds(program.tree, program.entry, program.parameters, contract.int_range, contract.pre)
    assert contract.reference is not None
    reference = ast.parse(contract.reference)
    if not any(isinstance(node, ast.FunctionDef) and node.name == program.entry for node in reference.body):
        raise NoHarness(f"a reference without a function named {program.entry}")
    return equivalence(program.tree, program.entry, program.parameters, reference, contract.pre)


# --- calls that never end

_STANDS = 2
"""Calls that ran too long of which it is asked whether they end."""


def _has_while(program: _Program) -> bool:
    return any(isinstance(node, ast.While) for node in walk(program.tree))


def _without_end(program: _Program, runs: _Runs) -> Verdict | None:
    """The refutation by a call that was seen in a state from which it never ends."""
    seen = [one for one in runs.seen if one.status == "budget" and one.shown and one.line is not None]
    for one in sorted(seen, key=lambda one: len(one.call))[:_STANDS]:
        assert one.line is not None
        stand = Stand(one.line, one.shown)
        if goes_on_for_ever(program.tree, program.entry, stand, program.limits):
            said = told(stand)
            return Verdict("termination", Outcome.REFUTED, said, one.line, Counterexample(one.call, said))
    return None


# --- single paths

_SINGLE_PATHS = {"steps": 800, "queries": 30, "total_rlimit": 40_000}
"""The most that single paths get, which mostly can't close what a proof left open."""


def _narrowed(limits: Limits, most: Mapping[str, int]) -> Limits:
    return replace(limits, **{name: min(getattr(limits, name), value) for name, value in most.items()})


def _explored(program: _Program, proof: Proof, runs: _Runs, slugs: Sequence[str]) -> dict[str, Verdict]:
    """One exploration, and one more use of the sandbox for what it found."""
    limits = _narrowed(program.limits, _SINGLE_PATHS)
    context = proof.machine.room.context if proof.machine else None
    found = explore_within(
        program.tree,
        program.entry,
        contract=program.contract,
        limits=limits,
        context=context,
        endless="termination" in slugs,
    )
    suspects = [violation for violation in found.violations if violation.property in slugs]
    calls = [program.call(v.arguments) for v in suspects if v.arguments is not None]
    runs.observe(calls if calls or not suspects or program.parameters else [program.call(())])
    evidence = _Evidence(found)
    verdicts = {slug: _conclude(program, found, proof, evidence, slug, runs) for slug in slugs if slug in EXPLORED}
    endless = runs.refuted("termination") or _without_end(program, runs) if "termination" in slugs else None
    return verdicts if endless is None else {**verdicts, "termination": endless}


def _conclude(
    program: _Program, found: Exploration, proof: Proof, evidence: _Evidence, slug: str, runs: _Runs
) -> Verdict:
    refuted = runs.refuted(slug)
    if refuted is not None:
        return refuted
    suspects = [violation for violation in found.violations if violation.property == slug]
    if suspects:
        return _not_replayed(program, slug, suspects[0], runs.seen)
    verdict = _without_violation(program, found, evidence, slug)
    if verdict.outcome is Outcome.UNSUPPORTED and proof.complete:
        return _left_open(proof, slug)  # the program was understood: it is this property that stayed open
    return verdict


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
    "endless": "never ends",
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
