"""The executor's core: dispatch by syntax node, forking on conditions, budgets, and what was left out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import z3

from verification.request import Limits
from verification.symbolic import encoding, terms
from verification.symbolic.solver import BudgetExhausted, Room, Solver
from verification.symbolic.state import State, Step
from verification.symbolic.values import (
    Bool,
    HeapObject,
    Int,
    Items,
    ListRef,
    NoneValue,
    Raised,
    Str,
    Term,
    Unsupported,
    Value,
    raised,
    type_name,
)


@dataclass(frozen=True, slots=True)
class Returned:
    """A `return` on its way up."""

    value: Value
    line: int


@dataclass(frozen=True, slots=True)
class Jump:
    """A `break` or `continue` on its way to its loop."""

    breaks: bool


Signal: TypeAlias = Returned | Raised | Jump | None
Flow: TypeAlias = tuple[State, Signal]
Evaluated: TypeAlias = tuple[State, Value | Raised]
ExpressionHandler: TypeAlias = "Callable[[Any, State, Machine], Iterator[Evaluated]]"
StatementHandler: TypeAlias = "Callable[[Any, State, Machine], Iterator[Flow]]"
CallHandler: TypeAlias = "Callable[[Call, State, Machine], Iterator[Evaluated]]"


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose parts are evaluated."""

    function: Value
    args: tuple[Value, ...]
    keywords: Mapping[str, Value]
    line: int


@dataclass(frozen=True)
class Handlers:
    """The language: what each syntax node, builtin function and method does."""

    expressions: Mapping[type[ast.expr], ExpressionHandler]
    statements: Mapping[type[ast.stmt], StatementHandler]
    call: CallHandler


EIGHTHS = 8
PIECES_A_STEP = 16


@dataclass(frozen=True)
class Cut:
    """Where a bound stopped a path."""

    line: int


@dataclass
class Machine:
    """Runs one exploration; everything it learns besides its paths is collected here."""

    handlers: Handlers
    limits: Limits = field(default_factory=Limits)
    context: terms.Context = field(default_factory=terms.Context)
    abstract: bool = False
    """Whether loops are summarised by invariants instead of unrolled."""

    annotations_postponed: bool = False
    """Whether `from __future__ import annotations` holds."""

    globals: dict[str, Value] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)
    refusals: list[Unsupported] = field(default_factory=list)
    discharged: list[Step | None] = field(default_factory=list)
    """Branches shown not to exist."""

    obligations: set[str] = field(default_factory=set)
    """Properties that some operation could have broken."""

    assumptions: dict[str, None] = field(default_factory=dict)
    """In the order in which they were made."""

    uses_text: bool = False
    """Whether any symbol is a string, so that a proof needs a second solver."""

    symbolic_forks: int = 0
    """Conditions on the input that were looked at so far."""

    rounds: list[tuple[State, State, ast.While]] | None = None
    """States before and after one iteration of a `while` loop, as many as are of use; None where nobody asks."""

    frozen_below: int = 0
    """Heap addresses below it belong to the module: reading them is fine, changing them is refused."""

    def __post_init__(self) -> None:
        self.solver = Solver(self.limits, Room(self.context))
        self._steps = 0
        self._symbols = 0
        self._address = 0
        self._degrees: dict[int, tuple[Any, int]] = {}
        self._parts: dict[int, tuple[Any, int]] = {}
        self._divisions: dict[tuple[int, int], tuple[Any, Any, Any, Any]] = {}

    # --- dispatch

    def evaluate(self, node: ast.expr, state: State) -> Iterator[Evaluated]:
        self.tick(state)
        handler = self.handlers.expressions.get(type(node))
        if handler is None:
            raise Unsupported(describe(node), node.lineno)
        return handler(node, state, self)

    def evaluate_all(
        self, nodes: Sequence[ast.expr], state: State
    ) -> Iterator[tuple[State, tuple[Value, ...] | Raised]]:
        """Evaluate from left to right; the first exception ends it."""
        if not nodes:
            yield state, ()
            return
        for after, first in self.evaluate(nodes[0], state):
            if isinstance(first, Raised):
                yield after, first
                continue
            for last, rest in self.evaluate_all(nodes[1:], after):
                yield last, rest if isinstance(rest, Raised) else (first, *rest)

    def execute_block(self, body: Sequence[ast.stmt], state: State) -> Iterator[Flow]:
        """Run statements on every path; breadth first, so that its depth is that of the syntax."""
        alive = [state]
        for statement in body:
            following: list[State] = []
            for current in alive:
                for after, signal in self.execute(statement, current):
                    if signal is None:
                        following.append(after)
                        self.check_width(len(following))
                    else:
                        yield after, signal
            alive = following
        for last in alive:
            yield last, None

    def execute(self, statement: ast.stmt, state: State) -> Iterator[Flow]:
        """Run one statement; a construct that isn't modelled ends this path alone."""
        self.tick(state)
        handler = self.handlers.statements.get(type(statement))
        try:
            if handler is None:
                raise Unsupported(describe(statement), statement.lineno)
            yield from handler(statement, state, self)
        except Unsupported as refusal:
            self.refuse(refusal)

    def call(self, call: Call, state: State) -> Iterator[Evaluated]:
        self.tick(state)
        return self.handlers.call(call, state, self)

    # --- budgets

    def tick(self, state: State) -> None:
        self._steps += 1
        if self._steps > self.limits.steps:
            raise BudgetExhausted(f"{self.limits.steps} execution steps")

    def check_width(self, paths: int) -> None:
        if paths > self.limits.paths:
            raise BudgetExhausted(f"{self.limits.paths} paths")

    def check_elements(self, count: int) -> None:
        """Sequences are copied when they change, which costs steps once they are long."""
        if count > self.limits.steps:
            raise BudgetExhausted(f"{self.limits.steps} elements in one sequence")
        self.spend(count)

    def spend(self, count: int) -> None:
        """Steps for so many small pieces of work, of which one syntax node may ask for many."""
        self._steps += count // PIECES_A_STEP
        if self._steps > self.limits.steps:
            raise BudgetExhausted(f"{self.limits.steps} execution steps")

    def concatenation(self, left: Term, right: Term) -> Term:
        """Two texts, one after the other. Z3 goes through all of their parts."""
        parts = self._text_parts(left) + self._text_parts(right)
        self.check_elements(parts * PIECES_A_STEP)
        whole = encoding.concatenation(left, right)
        if not isinstance(whole, str):
            self._parts[whole.get_id()] = (whole, parts)
        return whole

    def _text_parts(self, text: Term) -> int:
        return 1 if isinstance(text, str) else self._parts.get(text.get_id(), (text, 1))[1]

    def refuse(self, refusal: Unsupported) -> None:
        self.refusals.append(refusal)

    def iteration_cost(self, *, undecided: bool, symbolic: bool) -> int:
        """What an iteration takes of the bound, in eighths.

        One that may be the last counts whole; one that the path has already decided counts little, but it counts, as
        a loop may go on for ever that way; one that doesn't depend on the input is free.
        """
        return EIGHTHS if undecided else 1 if symbolic else 0

    def within_bound(self, spent: int) -> bool:
        return spent < EIGHTHS * (self.limits.unroll + 1)

    def cut(self, line: int) -> None:
        """Note that a path went on past the bound."""
        self.cuts.append(Cut(line))

    def assume(self, text: str) -> None:
        self.assumptions[text] = None

    def oblige(self, *slugs: str) -> None:
        self.obligations.update(slugs)

    # --- forking

    def fork(self, state: State, condition: Term) -> Iterator[tuple[State, bool]]:
        """The state under each truth of the condition that is possible."""
        if isinstance(condition, bool):
            yield state, condition
            return
        if z3.is_true(condition) or z3.is_false(condition):
            yield state, z3.is_true(condition)
            return
        self.symbolic_forks += 1
        witnessed = None if state.model is None else self.solver.holds(state.model, condition)
        order = (True, False) if witnessed is None or witnessed else (False, True)
        first = self._branch(state, condition, order[0], witnessed is not None)
        if first is not None:
            yield first, order[0]
        second = self._branch(state, condition, order[1], first is None and not state.uncertain)
        if second is not None:
            yield second, order[1]

    def _branch(self, state: State, condition: Any, truth: bool, certain: bool) -> State | None:
        """The state where the condition has that truth; None if there is no such input.

        `certain` says that the solver needn't be asked whether it exists.
        """
        term = condition if truth else terms.Not(condition)
        if certain:
            kept = state.model if state.model is not None and self.solver.holds(state.model, term) else None
            return state.extended(term, decision=True, model=kept)
        after = state.extended(term, decision=True, model=None)
        answer, model = self.solver.check(after.path)
        if answer == "unsat":
            self.discharged.append(after.path)
            return None
        return replace(after, model=model, uncertain=state.uncertain or answer == "unknown")

    def fact(self, state: State, term: Term) -> State:
        """Constrain fresh symbols; never an input."""
        if isinstance(term, bool):
            return state
        kept = state.model if state.model is not None and self.solver.holds(state.model, term) else None
        return state.extended(term, decision=False, model=kept)

    def guess(self, state: State, kind: type, hint: str) -> tuple[State, Value]:
        """Any value of a type, for an operation whose result is left open.

        Every real run is among the paths that follow, so proofs stand; a counterexample may turn out not to exist.
        """
        return replace(state, uncertain=True), kind(self.fresh(kind, hint))

    # --- symbols and the heap

    def fresh(self, kind: type, hint: str) -> Any:
        """A fresh symbol for an Int, Bool or Str."""
        self._symbols += 1
        return self.symbol(kind, f"{hint}!{self._symbols}")

    def symbol(self, kind: type, name: str) -> Any:
        if kind is Str:
            self._use_text()
        make = _SYMBOLS[kind]
        return make(name, self.context)

    def _use_text(self) -> None:
        self.uses_text = True
        self.solver.incremental = False

    def sort(self, kind: type) -> Any:
        make = _SORTS[kind]
        return make(self.context)

    def array(self, name: str, key: type, element: type) -> Any:
        if Str in (key, element):
            self._use_text()
        return z3.Array(name, self.sort(key), self.sort(element))

    def fresh_array(self, key: type, element: type, hint: str) -> Any:
        self._symbols += 1
        return self.array(f"{hint}!{self._symbols}", key, element)

    def division_symbols(self, a: Term, b: Term) -> tuple[Any, Any]:
        """The quotient and remainder symbols of a pair of operands."""
        dividend = self.lift(a)
        key = (dividend.get_id(), b.get_id())
        if key not in self._divisions:  # the operands are kept alive, as Z3 reuses ids
            self._divisions[key] = (dividend, b, self.fresh(Int, "quotient"), self.fresh(Int, "remainder"))
        return self._divisions[key][2:]

    def degree(self, term: Term) -> int:
        """How many symbols are multiplied with each other at most: what decides how large values can grow."""
        if encoding.is_constant(term):
            return 0
        waiting = [term]
        while waiting:
            node = waiting[-1]
            missing = [child for child in node.children() if child.get_id() not in self._degrees]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            inner = [self._degrees[child.get_id()][1] for child in node.children()]
            total = sum(inner) if z3.is_mul(node) else max(inner, default=0 if z3.is_int_value(node) else 1)
            self._degrees[node.get_id()] = (node, total)  # the node is kept alive, as Z3 reuses ids
        return self._degrees[term.get_id()][1]

    def lift(self, term: Term) -> Any:
        return encoding.lift(term, self.context)

    def allocate(self) -> int:
        self._address += 1
        return self._address

    @property
    def next_address(self) -> int:
        return self._address + 1

    def new_list(self, state: State, items: Sequence[Value]) -> tuple[State, ListRef]:
        self.check_elements(len(items))
        address = self.allocate()
        return state.stored(address, Items(tuple(items))), ListRef(address)

    def change(self, state: State, address: int, content: HeapObject, line: int) -> State:
        """Store a heap object that the program itself changes."""
        if address < self.frozen_below:
            raise Unsupported("change of a module-level object or a default argument", line)
        if isinstance(content, Items):
            self.check_elements(len(content.items))
        return state.stored(address, content)

    # --- exceptions

    def type_error(self, line: int, *operands: Value) -> Raised:
        about_none = any(isinstance(operand, NoneValue) for operand in operands)
        return raised("TypeError", line, about_none=about_none)

    def attribute_error(self, receiver: Value, line: int) -> Raised:
        return raised("AttributeError", line, about_none=isinstance(receiver, NoneValue))


_SYMBOLS: dict[type, Any] = {Int: terms.Int, Bool: terms.Bool, Str: z3.String}
_SORTS: dict[type, Any] = {Int: z3.IntSort, Bool: z3.BoolSort, Str: z3.StringSort}


def describe(node: ast.AST) -> str:
    """What a reader would call the syntax node."""
    return _DESCRIPTIONS.get(type(node).__name__, f"the syntax {type(node).__name__}")


_DESCRIPTIONS = {
    "AsyncFor": "async for",
    "AsyncFunctionDef": "an async function",
    "AsyncWith": "async with",
    "Attribute": "an attribute",
    "Await": "await",
    "ClassDef": "a class",
    "DictComp": "a dict comprehension",
    "FunctionDef": "a nested function",
    "GeneratorExp": "a generator expression that is kept",
    "Global": "global",
    "Lambda": "a lambda",
    "Match": "match",
    "Nonlocal": "nonlocal",
    "Set": "a set",
    "SetComp": "a set comprehension",
    "Starred": "a starred expression",
    "TryStar": "except*",
    "With": "with",
    "Yield": "yield",
    "YieldFrom": "yield from",
}


def unsupported_use(value: Value, line: int, purpose: str) -> Unsupported:
    """The refusal for using a value in a way that isn't modelled."""
    from_model = getattr(value, "construct", None)
    return Unsupported(from_model or f"{purpose} of type {type_name(value)}", line)
