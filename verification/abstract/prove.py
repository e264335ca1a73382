"""A proof attempt for one function: which properties hold for every input, and what stands behind it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import z3

from verification.abstract.calls import call_function
from verification.abstract.expressions import condition
from verification.abstract.machine import INTEGERS, Dead, Discharged, Machine, Suspect, settled
from verification.abstract.state import Frame, State
from verification.abstract.statements import execute
from verification.abstract.values import (
    LARGEST_EXPONENT,
    NONE_SHAPE,
    ContainerShape,
    Func,
    KindShape,
    Opaque,
    Ref,
    Scalar,
    Shape,
    TupleShape,
    Unbound,
    Value,
    join,
    options_of,
    shape,
)
from verification.nodes import walk
from verification.request import Contract, Limits
from verification.symbolic import terms
from verification.symbolic.explore import CONTRACT, broken_by
from verification.symbolic.inputs import Kind, Parameter, parameters, parse
from verification.symbolic.solver import BudgetExhausted, Room
from verification.symbolic.values import Raised, Unsupported

_BY_INVARIANTS = frozenset(
    {
        *("zero-division", "index-error", "key-error", "value-error", "assertion", "contract", "termination"),
        "other-exception",
    }
)
"""Properties that linear facts about numbers and lengths may decide."""

_OF_VALUES = ("assertion", CONTRACT)
"""Those for which exact products and sums may be what is missing."""

MAX_PARAMETERS = 40

FINITE = "floats in the arguments are finite"

STEPS, QUERIES = 1_000, 80
"""Nodes that an attempt may execute, and questions that it may put to the solver: enough for nearly all proofs that
there are, and little enough for programs that have none."""


@dataclass
class Proof:
    """What an attempt showed. It says something only where `refusal` is None."""

    refusal: Unsupported | None = None
    exhausted: str | None = None
    suspects: list[Suspect] = field(default_factory=list)
    obligations: frozenset[str] = frozenset()
    assumptions: tuple[str, ...] = ()
    discharged: list[Discharged] = field(default_factory=list)
    machine: Machine | None = None
    returned: State | None = None
    """What is known where the function has returned; None if no run gets there."""

    @property
    def complete(self) -> bool:
        return self.refusal is None and self.exhausted is None

    def holds(self, slug: str) -> bool:
        return self.complete and all(suspect.property != slug for suspect in self.suspects)

    def promising(self, slug: str) -> bool:
        """Whether invariants might still show it: it is open, and nothing that it hangs on was left open for good."""
        own = [suspect for suspect in self.suspects if suspect.property == slug]
        return bool(own) and slug in _BY_INVARIANTS and not any(suspect.hopeless for suspect in own)


def prove(
    tree: ast.Module,
    entry: str,
    *,
    contract: Contract | None,
    limits: Limits,
    slugs: Sequence[str],
    brief: bool = False,
    context: terms.Context | None = None,
) -> Proof:
    """Try by shapes alone; where that leaves a property open, with linear invariants, then with exact products.

    With `brief`, by shapes alone. Terms and solver are in the given `context`; by default the terms share one with
    those of other programs.
    """
    return _tried(tree, entry, contract, limits, slugs, finite=False, brief=brief, context=context)


def prove_finite(
    tree: ast.Module,
    entry: str,
    *,
    contract: Contract | None,
    limits: Limits,
    brief: bool = False,
    context: terms.Context | None = None,
) -> Proof:
    """The same for the property `float`, which speaks of calls with finite floats only."""
    found = _tried(tree, entry, contract, limits, ["float"], finite=True, brief=brief, context=context)
    found.assumptions = (*found.assumptions, FINITE)
    return found


def never_left(tree: ast.Module, entry: str, limits: Limits) -> bool:
    """Whether no run of the function returns or raises, whatever memory and depth of calls it takes."""
    found = _attempt(tree, entry, None, limits, terms.shared(), Room(), finite=False, invariants=True)
    run = found.machine
    if run is None or not found.complete or run.exits or found.assumptions:
        return False
    if any(suspect.property != "termination" for suspect in found.suspects):
        return False
    return found.returned is None or not run.feasible(found.returned, terms.BoolVal(True, run.context))


def _tried(
    tree: ast.Module,
    entry: str,
    contract: Contract | None,
    limits: Limits,
    slugs: Sequence[str],
    *,
    finite: bool,
    brief: bool,
    context: terms.Context | None,
) -> Proof:
    place = (terms.shared(), Room()) if context is None else (context, Room(context))
    found = _attempt(tree, entry, contract, limits, *place, finite=finite)
    if brief or (found.complete and all(found.holds(slug) for slug in slugs)):
        return found
    if not found.complete or not any(found.promising(slug) for slug in slugs):
        return found
    if any(isinstance(node, ast.For | ast.While) for node in walk(tree)):
        again = _attempt(tree, entry, contract, limits, *place, invariants=True, finite=finite)
        found = again if again.complete else found
    wanted = [slug for slug in _OF_VALUES if slug in slugs and found.promising(slug)]
    if wanted:
        exact = _attempt(tree, entry, contract, limits, *place, invariants=True, exact=True, finite=finite)
        kept = all(exact.holds(slug) for slug in slugs if found.holds(slug))
        if exact.complete and kept and any(map(exact.holds, wanted)):
            return exact
    return found


def _attempt(
    tree: ast.Module,
    entry: str,
    contract: Contract | None,
    limits: Limits,
    context: terms.Context,
    room: Room,
    *,
    finite: bool,
    invariants: bool = False,
    exact: bool = False,
    large: bool = False,
) -> Proof:
    limits = replace(limits, steps=min(limits.steps, STEPS), queries=min(limits.queries, QUERIES))
    run = Machine(limits, contract, invariants, context, room, finite, large, exact)
    found = Proof(machine=run)
    try:
        found.returned = _run(run, tree, entry, contract)
    except Unsupported as refusal:
        found.refusal = refusal
    except BudgetExhausted as budget:
        found.exhausted = str(budget)
    except RecursionError:
        found.refusal = Unsupported("so deep a nesting of calls and syntax", None)
    except z3.Z3Exception as error:  # a mistake of the encoding's proves nothing, and must not end a run
        found.refusal = Unsupported(f"something that can't be put to the solver ({error})", None)
    if run.large and INTEGERS in run.assumptions:
        return _attempt(
            tree,
            entry,
            contract,
            limits,
            context,
            room,
            finite=finite,
            invariants=invariants,
            exact=exact,
            large=True,
        )
    found.suspects = list(run.suspects.values())
    found.obligations = frozenset(run.obligations)
    found.assumptions = tuple(run.assumptions)
    found.discharged = run.discharged
    return found


def _run(run: Machine, tree: ast.Module, entry: str, contract: Contract | None) -> State | None:
    """What is known where the entry has returned; None if no run gets there."""
    state = State([Frame(0, -1, {})])
    for node in tree.body:
        try:
            execute(node, state, run)
        except Dead:
            raise Unsupported("a module that fails when it is loaded", node.lineno) from None
    if run.exits:
        raise Unsupported("a module that may fail when it is loaded", run.exits[0][1].line)
    run.frozen_below = run.allocate() + 1
    function = state.frames[0].variables.get(entry)
    if not isinstance(function, Func) or not isinstance(function.node, ast.FunctionDef):
        what = function.type if isinstance(function, Opaque) else f"no function named {entry}"
        raise Unsupported(f"a {what}" if isinstance(function, Opaque) else what, None)
    node = function.node
    found = parameters(node)
    if len(found) > MAX_PARAMETERS:
        raise Unsupported(f"a function of more than {MAX_PARAMETERS} parameters", node.lineno)
    arguments: dict[str, Value] = {}
    for parameter in found:
        wanted = shape_of_kind(parameter)
        arguments[parameter.name] = run.fresh(state, finite(wanted) if run.finite else wanted, parameter.name)
    own = {option.address for value in arguments.values() for option in options_of(value) if isinstance(option, Ref)}
    state.shared -= own
    run.arguments = frozenset(own)
    if own:
        run.oblige("argument-mutation")
    if contract is not None and contract.pre is not None:
        _precondition(run, state, contract.pre, arguments)
    try:
        value = call_function(
            function, list(arguments.values())[: _positional(node)], _keywords(node, arguments), state, run, node.lineno
        )
    except Dead:
        returned = None
    else:
        returned = state.copy()
        _returned(run, node, state, value, arguments, contract)
    if contract is not None and contract.pre is not None and any(call for call in run.recursion):
        raise Unsupported("a precondition for a function that calls itself", node.lineno)
    for _, exception in run.exits:
        _escaped(run, exception, contract)
    return returned


def _positional(node: ast.FunctionDef) -> int:
    return len(node.args.posonlyargs) + len(node.args.args)


def _keywords(node: ast.FunctionDef, arguments: Mapping[str, Value]) -> dict[str, Value]:
    return {argument.arg: arguments[argument.arg] for argument in node.args.kwonlyargs}


def _escaped(run: Machine, exception: Raised, contract: Contract | None) -> None:
    """An exception that may leave the function: the properties that it would break are not shown."""
    for slug in broken_by(exception.cls.ancestors, exception.about_none, contract):
        hopeless = (exception.name, exception.line) in run.hopeless
        run.suspect(slug, exception.line, f"{exception.name} could not be excluded", hopeless=hopeless)
    if "OverflowError" in exception.cls.ancestors:
        run.suspect("float", exception.line, "OverflowError could not be excluded")


def _precondition(run: Machine, state: State, pre: str, arguments: Mapping[str, Value]) -> None:
    test = ast.parse(pre, mode="eval").body
    run.push_frame(state, 0, arguments, frozenset())
    with run.keeping_exits():
        try:
            holds = settled(condition(test, state, run))
        except Dead:
            raise Unsupported("a precondition that no input meets", None) from None
    state.frames = state.frames[:1]
    if holds is False:
        raise Unsupported("a precondition that no input meets", None)
    state.assume(holds)
    if not run.feasible(state, terms.BoolVal(True, run.context)):
        raise Unsupported("a precondition that no input meets", None)


def _returned(
    run: Machine,
    node: ast.FunctionDef,
    state: State,
    value: Value,
    arguments: Mapping[str, Value],
    contract: Contract | None,
) -> None:
    kind = parse(node.returns) if node.returns is not None else None
    if kind is not None:
        run.oblige("return-type")
        if not conforms(value, kind, state, run):
            run.suspect("return-type", node.lineno, "another type may be returned")
    if contract is None or (contract.post is None and not contract.allowed_exceptions):
        return
    run.oblige(CONTRACT)
    if contract.post is None:
        return
    test = ast.parse(contract.post, mode="eval").body
    run.push_frame(state, 0, {**arguments, "result": value}, frozenset())
    with run.keeping_exits() as kept:
        try:
            holds = condition(test, state, run)
            run.may_raise(state, holds, "AssertionError", 1)
        except Dead:
            pass
    if kept:
        run.suspect(CONTRACT, node.lineno, "the postcondition was not shown")


# --- shapes from annotations

_SCALARS = ("int", "bool", "float", "str")


def shape_of_kind(parameter: Parameter) -> Shape:
    """Any value of the annotated type."""
    if parameter.kind is None:
        what = f"the annotation {parameter.annotation}" if parameter.annotation else "no annotation"
        raise Unsupported(f"parameter {parameter.name} with {what}", parameter.line)
    found = _shape(parameter.kind)
    if found is None:
        raise Unsupported(f"parameter {parameter.name} of type {parameter.kind}", parameter.line)
    return found


def finite(given: Shape) -> Shape:
    """The shape with every float finite."""
    return Shape(tuple(map(_finite_kind, given.kinds)))


def _finite_kind(kind: KindShape) -> KindShape:
    if isinstance(kind, Scalar) and kind.type == "float":
        return replace(kind, exponent=LARGEST_EXPONENT)
    if isinstance(kind, TupleShape):
        return TupleShape(tuple(map(finite, kind.items)))
    if isinstance(kind, ContainerShape):
        return replace(kind, element=finite(kind.element), value=None if kind.value is None else finite(kind.value))
    return kind


def _shape(kind: Kind) -> Shape | None:
    if kind.name == "|":
        parts = [_shape(part) for part in kind.arguments]
        return None if None in parts else join(*(part for part in parts if part is not None))
    if kind.name in _SCALARS and not kind.arguments:
        return shape(Scalar(kind.name))
    if kind.name == "None":
        return NONE_SHAPE
    inner = [_shape(part) for part in kind.arguments]
    if None in inner:
        return None
    shapes = [part for part in inner if part is not None]
    if kind.name == "tuple" and shapes:
        return shape(TupleShape(tuple(shapes)))
    if kind.name in ("list", "set", "frozenset", "tuple...") and len(shapes) == 1:
        return shape(ContainerShape(kind.name, shapes[0]))
    if kind.name == "dict" and len(shapes) == 2:
        return shape(ContainerShape("dict", shapes[0], shapes[1]))
    return None


def conforms(value: Value, kind: Kind, state: State, run: Machine) -> bool:
    """Whether a value is certainly of the annotated type, as type checkers see it: a bool is an int, an int a float."""
    if any(isinstance(option, Unbound) for option in options_of(value)):
        return False
    for option in options_of(value):
        if isinstance(option, Ref) and option.kind not in ("list", "dict", "set", "frozenset", "tuple..."):
            return False
    try:
        given = run.shape_of(state, value)
    except Unsupported:
        return False
    return _within(given, kind)


def _within(given: Shape, kind: Kind) -> bool:
    kinds = kind.arguments if kind.name == "|" else (kind,)
    return all(any(_kind_within(part, wanted) for wanted in kinds) for part in given.kinds)


def _kind_within(part: object, wanted: Kind) -> bool:
    if wanted.name in ("object", "Any"):
        return True
    if isinstance(part, Scalar):
        accepted = {"float": ("float", "int", "bool"), "int": ("int", "bool")}.get(wanted.name, (wanted.name,))
        return part.type in accepted
    if isinstance(part, TupleShape):
        if wanted.name == "tuple" and not wanted.arguments:
            return True
        if wanted.name == "tuple...":
            return all(_within(item, wanted.arguments[0]) for item in part.items)
        fits = wanted.name == "tuple" and len(wanted.arguments) == len(part.items)
        return fits and all(_within(item, inner) for item, inner in zip(part.items, wanted.arguments, strict=True))
    if isinstance(part, ContainerShape):
        name = {"tuple...": ("tuple...",)}.get(part.type, (part.type,))
        if wanted.name not in name and not (
            wanted.name == "tuple" and not wanted.arguments and part.type == "tuple..."
        ):
            return False
        if not wanted.arguments:
            return True
        parts = [part.element] if part.value is None else [part.element, part.value]
        return len(parts) == len(wanted.arguments) and all(
            _within(inner, want) for inner, want in zip(parts, wanted.arguments, strict=True)
        )
    return False
