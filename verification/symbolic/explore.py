"""Explore a function: every path within the limits, and what breaks a property on it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import z3

from verification.driver.gathering import gathered
from verification.request import Contract, Limits
from verification.symbolic import terms
from verification.symbolic.calls import call, local_names
from verification.symbolic.expressions import EXPRESSIONS, condition
from verification.symbolic.inputs import (
    Kind,
    NotShown,
    Parameter,
    from_model,
    parameters,
    smallness,
    symbolic,
    variants,
)
from verification.symbolic.machine import Handlers, Machine, Returned, Signal
from verification.symbolic.solver import BudgetExhausted
from verification.symbolic.state import State, Step
from verification.symbolic.statements import STATEMENTS
from verification.symbolic.values import NONE, Bool, Function, Int, Raised, Str, Unmodelled, Unsupported, Value

HANDLERS = Handlers(EXPRESSIONS, STATEMENTS, call)
CONTRACT = "contract"
MAX_CANDIDATES = 3
"""Violations kept for each property and line."""


@dataclass(frozen=True)
class Leaf:
    """How one path ended."""

    path: Step | None
    signal: Signal
    uncertain: bool
    variant: int = 0
    """Which choice among the parameters' alternatives it belongs to."""


@dataclass(frozen=True)
class Violation:
    """A path on which a property breaks."""

    property: str
    line: int
    exception: str | None
    arguments: tuple[object, ...] | None
    """The input that takes this path; None if it can't be written down."""

    note: str = ""
    """Why there are no arguments."""


@dataclass
class Exploration:
    """What was found. It is complete only without refusals, cuts and `exhausted`."""

    machine: Machine
    parameters: list[Parameter]
    leaves: list[Leaf] = field(default_factory=list)
    excluded: list[Leaf] = field(default_factory=list)
    """Paths that the precondition leaves out."""

    violations: list[Violation] = field(default_factory=list)
    exhausted: str | None = None
    variant: int = 0

    @property
    def complete(self) -> bool:
        return not (self.machine.refusals or self.machine.cuts or self.exhausted)


def explore(
    tree: ast.Module,
    entry: str,
    *,
    contract: Contract | None = None,
    limits: Limits | None = None,
    context: terms.Context | None = None,
    endless: bool = False,
) -> Exploration:
    """Run the entry function on symbols for its annotated parameters; `context` holds all terms, a new one if None.

    With `endless`, inputs on which an iteration changes nothing are violations of termination.
    """
    machine = Machine(HANDLERS, limits or Limits(), context or terms.Context(), rounds=[] if endless else None)
    found = Exploration(machine, [])
    try:
        for state, signal in _load(tree, machine):
            if isinstance(signal, Raised):
                broken = broken_by(signal.cls.ancestors, signal.about_none, contract)
                note = "the module itself fails when it is loaded"
                found.violations = [Violation(slug, signal.line, signal.name, None, note) for slug in broken]
                found.leaves.append(Leaf(state.path, signal, state.uncertain))
            else:
                _enter(found, entry, state, contract)
    except BudgetExhausted as budget:
        found.exhausted = str(budget)
    except Unsupported as refusal:
        machine.refuse(refusal)
    except RecursionError:
        machine.refuse(Unsupported("so deep a nesting of calls and syntax", None))
    except z3.Z3Exception as error:  # a mistake of the encoding's proves nothing, and must not end a run
        machine.refuse(Unsupported(f"something that can't be put to the solver ({error})", None))
    return found


def explore_within(
    tree: ast.Module,
    entry: str,
    *,
    contract: Contract | None = None,
    limits: Limits | None = None,
    context: terms.Context | None = None,
    endless: bool = False,
) -> Exploration:
    """Explore; where the budget doesn't reach, once more with a single iteration, so that something is known."""
    limits = limits or Limits()
    context = context or terms.Context()
    found = explore(tree, entry, contract=contract, limits=limits, context=context, endless=endless)
    if found.exhausted is None or limits.unroll == 1:
        return found
    again = explore(tree, entry, contract=contract, limits=replace(limits, unroll=1), context=context)
    again.violations = [*again.violations, *found.violations]
    return again


def _load(tree: ast.Module, machine: Machine) -> Iterator[tuple[State, Signal]]:
    """Execute the module's own statements, as an import does."""
    machine.annotations_postponed = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" and node.names[0].name == "annotations"
        for node in tree.body
    )
    state = State()
    for node in tree.body:
        flows = list(machine.execute(node, state))
        if not flows:
            return
        if len(flows) > 1:
            raise Unsupported("module-level code that takes several paths", node.lineno)
        state, signal = flows[0]
        if signal is not None:
            yield state, signal
            return
        machine.globals = dict(state.variables)
    machine.frozen_below = machine.next_address
    yield state, None


def _enter(found: Exploration, entry: str, state: State, contract: Contract | None) -> None:
    function = found.machine.globals.get(entry)
    if isinstance(function, Unmodelled):
        raise Unsupported(function.construct, function.line)
    if not isinstance(function, Function):
        raise Unsupported(f"no function named {entry}", None)
    found.parameters = parameters(function.node)
    for variant, kinds in enumerate(variants(found.parameters)):
        found.variant = variant
        _explore_variant(found, function, kinds, state, contract)


def _explore_variant(
    found: Exploration, function: Function, kinds: tuple[Kind, ...], loaded: State, contract: Contract | None
) -> None:
    machine = found.machine
    state = replace(loaded, variables={})
    arguments: dict[str, Value] = {}
    for parameter, kind in zip(found.parameters, kinds, strict=True):
        state, arguments[parameter.name] = symbolic(parameter, kind, state, machine)
    inside = replace(
        state,
        variables=arguments,
        locals=local_names(function.node),
        calls=((function.name, state.decisions),),
    )
    try:
        _run(found, function, kinds, inside, arguments, contract)
    finally:
        _record_standstill(found, kinds)


def _run(
    found: Exploration,
    function: Function,
    kinds: tuple[Kind, ...],
    inside: State,
    arguments: dict[str, Value],
    contract: Contract | None,
) -> None:
    machine = found.machine
    for start in _under_precondition(found, contract, inside):
        for after, signal in machine.execute_block(function.node.body, start):
            machine.check_width(len(found.leaves))
            if isinstance(signal, Raised) or contract is None or contract.post is None:
                _end(found, after, signal, kinds, contract)
            else:
                result = signal.value if isinstance(signal, Returned) else None
                _check_post(found, after, result, arguments, kinds, contract)


def _record_standstill(found: Exploration, kinds: tuple[Kind, ...]) -> None:
    """Inputs on which an iteration of a `while` loop leaves all that it depends on as it was."""
    machine = found.machine
    rounds, machine.rounds = machine.rounds or [], [] if machine.rounds is not None else None
    try:
        for before, after, node in rounds:
            same = _unchanged(before, after, gathered(node), machine)
            if same is None or not _has_room(found, "termination", node.lineno):
                continue
            state = after.extended(same, decision=True, model=None)
            if machine.solver.check(state.path, model=False)[0] == "sat":
                _record(found, state, ("termination",), node.lineno, None, kinds)
    except BudgetExhausted:  # what was found by then is still to be replayed
        return


def _unchanged(before: State, after: State, but: Collection[str], machine: Machine) -> Any:
    """That numbers and text in variables are what they were; None where that can't be, or only the heap has changed."""
    same = []
    for name, value in after.variables.items():
        old = before.variables.get(name)
        if name in but or old is value or not isinstance(value, Int | Bool | Str):
            continue
        if type(old) is not type(value):
            return None
        equal = machine.lift(old.term) == machine.lift(value.term)
        same.append(equal)
    if same:
        return z3.And(*same)
    kept = all(before.heap.get(address) is held for address, held in after.heap.items())
    return terms.BoolVal(True, machine.context) if kept else None


def _under_precondition(found: Exploration, contract: Contract | None, state: State) -> Iterator[State]:
    if contract is None or contract.pre is None:
        yield state
        return
    test = ast.parse(contract.pre, mode="eval").body
    for after, truth in condition(test, replace(state, locals=frozenset()), found.machine):
        if truth is True:
            yield replace(after, locals=state.locals)
        else:  # left out, but part of the cover
            found.excluded.append(Leaf(after.path, None, after.uncertain, found.variant))


def _check_post(
    found: Exploration,
    state: State,
    result: Value | None,
    arguments: dict[str, Value],
    kinds: tuple[Kind, ...],
    contract: Contract,
) -> None:
    """The postcondition sees the arguments as the function left them, and `result`."""
    assert contract.post is not None
    scope = {**arguments, "result": NONE if result is None else result}
    after_call = replace(state, variables=scope, locals=frozenset(), calls=(("post", 0),))
    test = ast.parse(contract.post, mode="eval").body
    found.machine.oblige(CONTRACT)
    for after, truth in condition(test, after_call, found.machine):
        if truth is True:
            _end(found, after, None, kinds, contract)
        else:
            found.leaves.append(Leaf(after.path, None, after.uncertain, found.variant))
            _record(found, after, (CONTRACT,), 1, None, kinds)


def _end(found: Exploration, state: State, signal: Signal, kinds: tuple[Kind, ...], contract: Contract | None) -> None:
    """Close a path; an exception that escapes breaks the properties that name it."""
    found.leaves.append(Leaf(state.path, signal, state.uncertain, found.variant))
    if not isinstance(signal, Raised):
        return
    broken = broken_by(signal.cls.ancestors, signal.about_none, contract)
    _record(found, state, broken, signal.line, signal.name, kinds)


def broken_by(ancestors: Sequence[str], about_none: bool, contract: Contract | None) -> tuple[str, ...]:
    """The properties that an escaping exception of this class breaks."""
    if contract is not None and any(name in contract.allowed_exceptions for name in ancestors):
        return ()
    slugs = [slug for name, slug in SLUGS if name in ancestors]
    broken = slugs[:1]
    if about_none and ("TypeError" in ancestors or "AttributeError" in ancestors):
        broken = [*broken, "none-deref"]
    elif not broken and not any(name in ancestors for name in RESOURCES):
        broken = ["other-exception"]
    if contract is not None and (contract.post is not None or contract.allowed_exceptions):
        broken = [*broken, CONTRACT]
    return tuple(broken)


SLUGS = (
    ("ZeroDivisionError", "zero-division"),
    ("IndexError", "index-error"),
    ("KeyError", "key-error"),
    ("ValueError", "value-error"),
    ("TypeError", "type-error"),
    ("NameError", "unbound-local"),
    ("AssertionError", "assertion"),
)
"""Which property an exception breaks, by the first of its ancestors that is named here."""

EXPLORED_SLUGS = (*(slug for _, slug in SLUGS), "none-deref", "other-exception")
"""The properties that exceptions break; the contract comes on top."""

RESOURCES = ("RecursionError", "MemoryError")
"""Exceptions of the machine rather than of the program; see the properties recursion and termination."""


def _record(
    found: Exploration,
    state: State,
    broken: Sequence[str],
    line: int,
    exception: str | None,
    kinds: tuple[Kind, ...],
) -> None:
    wanted = [slug for slug in broken if _has_room(found, slug, line)]
    if not wanted:
        return
    try:
        arguments, note = _arguments(found, state, kinds), ""
    except NotShown as reason:
        arguments, note = None, str(reason)
    found.violations += [Violation(slug, line, exception, arguments, note) for slug in wanted]


def _has_room(found: Exploration, slug: str, line: int) -> bool:
    same = [v for v in found.violations if v.property == slug and v.line == line and v.arguments is not None]
    return len(same) < MAX_CANDIDATES


def _arguments(found: Exploration, state: State, kinds: tuple[Kind, ...]) -> tuple[object, ...]:
    """A small input that takes the path."""
    machine = found.machine
    model = _small_model(found, state, kinds)
    if model is None:
        raise NotShown("the solver gave up on an input for it")
    row = zip(found.parameters, kinds, strict=True)
    return tuple(from_model(parameter, kind, model, machine) for parameter, kind in row)


def _small_model(found: Exploration, state: State, kinds: tuple[Kind, ...]) -> Any:
    for bound in (2, 20):
        small = smallness(found.parameters, kinds, bound, found.machine)
        if small:
            answer, model = found.machine.solver.check(state.path, small)
            if answer == "sat":
                return model
    return found.machine.solver.check(state.path)[1]
