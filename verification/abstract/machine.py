"""The prover's core: symbols, shapes made into values and back, merging, and what may be raised."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import z3

from verification.abstract import values as v
from verification.abstract.state import Frame, State, common_step, since
from verification.abstract.values import (
    NEVER,
    NONE,
    UNBOUND,
    Bool,
    Builtin,
    Choice,
    ContainerShape,
    ExceptionClass,
    ExceptionValue,
    Fixed,
    Float,
    Func,
    HeapObject,
    Int,
    KindShape,
    Method,
    Module,
    NoneValue,
    Opaque,
    Partial,
    Range,
    Ref,
    Scalar,
    Seq,
    Shape,
    Table,
    Term,
    Text,
    Tup,
    TupleShape,
    Unbound,
    Value,
)
from verification.request import Contract, Limits
from verification.symbolic import encoding, terms
from verification.symbolic.solver import BudgetExhausted, Room, Solver
from verification.symbolic.state import Step
from verification.symbolic.values import Raised, Unsupported, raised

SPACES = ("num", "str", "none")
"""Key spaces of dicts and sets; tuples of keys have one each, by their own spaces."""

INT_BITS = 64
INTEGERS = f"integers that are turned into floats stay below 2**{INT_BITS} in magnitude"
LARGE_INTEGERS = "integers that are turned into floats are not beyond the largest float"
"""Instead of it where a float, which may be as large as that, was turned into an int before."""

_LARGE = 256

MAX_KINDS = 16


class Dead(Exception):
    """No run goes on from here: every path has been ended by an exception, a return or a jump."""


@dataclass
class Call:
    """A function of the program that is being executed, and what its calls of itself told."""

    node: ast.AST
    name: str
    arguments: dict[str, Shape] = field(default_factory=dict)
    """Shapes of the parameters, over all calls of it by itself."""

    result: Shape = NEVER
    """Shape of what a call of it by itself returns, as far as known."""

    recursive: bool = False
    changes: set[int] = field(default_factory=set)
    """Objects older than the call that it may change."""


@dataclass(frozen=True)
class Suspect:
    """A property that could not be shown, and where."""

    property: str
    line: int | None
    reason: str
    hopeless: bool = False
    """Whether it hangs on something that was left open, which no invariant can decide."""


@dataclass(frozen=True)
class Discharged:
    """Something shown not to happen: these conditions together are unsatisfiable."""

    path: Step | None
    extra: tuple[Any, ...]


@dataclass
class Machine:
    """One proof attempt. Evaluation and execution are mixed in by the modules beside this one."""

    dead: ClassVar[type[Exception]] = Dead
    limits: Limits
    contract: Contract | None = None
    invariants: bool = False
    """Whether loops look for invariants beyond the shapes of their variables."""

    context: terms.Context = field(default_factory=terms.shared)
    room: Room = field(default_factory=Room)
    """Where its questions are answered."""

    finite: bool = False
    """Whether floats in the arguments are finite, as the property `float` takes them to be."""

    large: bool = False
    """Whether an int may come from a float of any size."""

    exact: bool = False
    """Whether products of symbols, and sums in closed form, are put to the solver as they are."""

    discharged: list[Discharged] = field(default_factory=list)
    suspects: dict[tuple[str, int | None], Suspect] = field(default_factory=dict)
    obligations: set[str] = field(default_factory=set)
    assumptions: dict[str, None] = field(default_factory=dict)
    exits: list[tuple[State, Raised]] = field(default_factory=list)
    """Paths that an exception has left, on their way to a handler."""

    returns: list[tuple[State, Value]] = field(default_factory=list)
    breaks: list[State] = field(default_factory=list)
    continues: list[State] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    recursion: set[str] = field(default_factory=set)
    """Names of functions that call themselves."""

    written: set[int] = field(default_factory=set)
    """Addresses whose content was changed."""

    arguments: frozenset[int] = frozenset()
    """Addresses of the entry's mutable arguments."""

    removals: int = 0
    """How often something may have been taken out of a dict or set."""

    frozen_below: int = 0
    depth: int = 0
    """Loops whose iteration is being looked at, one inside the other."""

    lazy: int = 0
    """Above 0 while shapes and invariants are looked for: no obligation is put to the solver."""

    shaping: int = 0
    """Above 0 while shapes are looked for: then loops inside need no invariants."""

    hopeless: set[tuple[str, int | None]] = field(default_factory=set)
    """Exceptions, by name and line, that hang on something left open, which no invariant can decide."""

    def __post_init__(self) -> None:
        self.solver = Solver(self.limits, self.room)
        self._symbols = 0
        self._address = 0
        self._frames = 0
        self._steps = 0
        self._kinds: dict[str, int] = {}
        self._literals: dict[str, int] = {}
        self._lows: dict[int, tuple[Any, int | None]] = {}
        self._from_floats: dict[int, tuple[Any, int]] = {}
        self._divisions: dict[tuple[int, int], tuple[Any, Any, Any, Any]] = {}

    # --- budgets and records

    def tick(self) -> None:
        self._steps += 1
        if self._steps > self.limits.steps:
            raise BudgetExhausted(f"{self.limits.steps} steps of proof")

    def assume(self, text: str) -> None:
        self.assumptions[text] = None

    def oblige(self, *slugs: str) -> None:
        self.obligations.update(slugs)

    def suspect(self, slug: str, line: int | None, reason: str, *, hopeless: bool = False) -> None:
        """Note that a property can't be shown; while looking for invariants nothing is concluded."""
        if not self.lazy:
            self.suspects.setdefault((slug, line), Suspect(slug, line, reason, hopeless))

    @contextmanager
    def rehearsal(self, *, shaping: bool = False) -> Iterator[None]:
        """Execute to learn shapes or invariants: what is found on the way is forgotten, and nothing is proved."""
        self.shaping += shaping
        kept = (list(self.exits), list(self.returns), list(self.breaks), list(self.continues))
        self.lazy += 1
        try:
            yield
        finally:
            self.lazy -= 1
            self.shaping -= shaping
            self.exits[:], self.returns[:], self.breaks[:], self.continues[:] = kept

    @contextmanager
    def keeping_exits(self) -> Iterator[list[tuple[State, Raised]]]:
        """The exceptions that leave meanwhile, for the caller to pass on or to catch."""
        before, self.exits = self.exits, []
        try:
            yield self.exits
        finally:
            self.exits = before

    @contextmanager
    def watching(self) -> Iterator[set[int]]:
        """The addresses whose content is changed meanwhile."""
        outer, inner = self.written, set[int]()
        self.written = inner
        try:
            yield inner
        finally:
            outer |= inner
            self.written = outer

    # --- symbols

    def number(self) -> int:
        """How many symbols there are: those made later are told by it."""
        return self._symbols

    def symbol(self, hint: str, *, low: int | None = None) -> Any:
        """A fresh integer; a lower bound is remembered for shapes, and has to be assumed by the caller."""
        self._symbols += 1
        term = terms.Int(f"{hint}!{self._symbols}", self.context)
        if low is not None:
            self._lows[term.get_id()] = (term, low)
        return term

    def truth_symbol(self, hint: str) -> Any:
        self._symbols += 1
        return terms.Bool(f"{hint}!{self._symbols}", self.context)

    def real_symbol(self, hint: str) -> Any:
        self._symbols += 1
        return terms.Real(f"{hint}!{self._symbols}", self.context)

    def array_symbol(self, hint: str, *, truths: bool = False) -> Any:
        self._symbols += 1
        return terms.IntArray(f"{hint}!{self._symbols}", self.context, truths=truths)

    def lift(self, term: Term) -> Any:
        return encoding.lift(term, self.context)

    def lift_real(self, term: Term) -> Any:
        if isinstance(term, float | int):
            return terms.Q(*Fraction(term).as_integer_ratio(), self.context)
        return terms.ToReal(term) if isinstance(term, terms.IntTerm) or z3.is_int(term) else term

    def is_new(self, term: Term, mark: int) -> bool:
        """Whether a term has a symbol made after `number()` was `mark`."""
        if isinstance(term, int | float | str) or term is None:
            return False
        seen: set[int] = set()
        waiting = [term]
        while waiting:
            node = waiting.pop()
            if node.get_id() in seen:
                continue
            seen.add(node.get_id())
            if z3.is_const(node) and node.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                _, _, suffix = node.decl().name().rpartition("!")
                if suffix.isdigit() and int(suffix) > mark:
                    return True
            waiting.extend(node.children())
        return False

    def low_of(self, term: Term) -> int | None:
        """A lower bound of 0 or 1 that shows in how the term is written."""
        if isinstance(term, int):
            return None if term < 0 else min(int(term), 1)
        known = self._lows.get(term.get_id())
        if known is None:
            known = self._lows[term.get_id()] = (term, self._low_of_parts(term))
        return known[1]

    def _low_of_parts(self, term: Any) -> int | None:
        operator = terms.operator_of(term)
        if operator == z3.Z3_OP_ANUM:
            value = terms.numeral_of(term)
            return None if value < 0 else min(value, 1)
        if operator not in (z3.Z3_OP_ADD, z3.Z3_OP_MUL, z3.Z3_OP_ITE):
            return None
        lows = [self.low_of(part) for part in terms.arguments_of(term)[operator == z3.Z3_OP_ITE :]]
        if None in lows:
            return None
        bounds = [low for low in lows if low is not None]
        return min(1, sum(bounds)) if operator == z3.Z3_OP_ADD else min(bounds)

    def from_float(self, term: Term, exponent: int | None) -> Int:
        """The int that a finite float was turned into, and so one that a float below ``2**exponent`` equals."""
        if exponent is None or exponent > _LARGE:
            self.large = True
        if not isinstance(term, int):
            self._from_floats[term.get_id()] = (term, v.LARGEST_EXPONENT if exponent is None else exponent)
        return Int(term)

    def float_bits(self, term: Term) -> int:
        """The power of two that an int is assumed to stay below where it is turned into a float."""
        known = self._from_floats.get(term.get_id()) if not isinstance(term, int) else None
        if known is not None:
            return known[1]
        self.assume(LARGE_INTEGERS if self.large else INTEGERS)
        return v.LARGEST_EXPONENT if self.large else INT_BITS

    # --- text

    def literal(self, content: str) -> Text:
        name = self._literals.setdefault(content, len(self._literals))
        digits = content.isascii() and content.isdigit()
        return Text(name, len(content), content, digits)

    def text(self, state: State, hint: str, *, least: int = 0, digits: bool = False) -> Text:
        """Any text of at least that length."""
        least = max(least, 1 if digits else 0)
        length = self.symbol(f"{hint}.len", low=least)
        state.assume(length >= least)
        return Text(self.symbol(hint), length, None, digits)

    @cached_property
    def _character(self) -> Any:
        integer = z3.IntSort(self.context)
        return z3.Function("character", integer, integer, integer)

    def character(self, text: Text, offset: Term) -> Text:
        if text.literal is not None and isinstance(offset, int):
            return self.literal(text.literal[offset])
        return Text(terms.apply(self._character, self.lift(text.name), self.lift(offset)), 1, None, text.digits)

    # --- shapes and values

    def fresh(self, state: State, given: Shape, hint: str) -> Value:
        """Any value of the shape. Of the empty shape there is none, so no run gets here."""
        if not given.kinds:
            raise Dead
        made = [self._fresh_kind(state, kind, hint) for kind in given.kinds]
        if len(made) == 1:
            return made[0]
        _few(len(made))
        tag = self.symbol(f"{hint}.kind")
        options = tuple((self.kind_number(option), option) for option in made)
        state.assume(terms.Or(*(tag == number for number, _ in options)))
        return Choice(tag, options)

    def _fresh_kind(self, state: State, kind: KindShape, hint: str) -> Value:
        if isinstance(kind, Scalar):
            return self._fresh_scalar(state, kind, hint)
        if isinstance(kind, TupleShape):
            return Tup(tuple(self.fresh(state, item, f"{hint}.{at}") for at, item in enumerate(kind.items)))
        if isinstance(kind, Fixed):
            return kind.value
        if kind.type.startswith("dict_"):
            raise Unsupported("a view of a dict that is kept", None)
        address = self.allocate()
        state.heap[address] = self.fresh_content(state, kind, hint)
        state.shared |= {address}
        return Ref(kind.type, address)

    def _fresh_scalar(self, state: State, kind: Scalar, hint: str) -> Value:
        if kind.type == "int":
            term = self.symbol(hint, low=kind.low)
            if kind.low is not None:
                state.assume(term >= kind.low)
            return Int(term)
        if kind.type == "bool":
            return Bool(self.truth_symbol(hint))
        if kind.type == "str":
            return self.text(state, hint, digits=kind.digits)
        if kind.type == "None":
            self.oblige("none-deref")
            return NONE
        if kind.type == "float":
            return self.float_symbol(state, hint, exponent=kind.exponent, least=kind.least)
        return Opaque(kind.type)

    def float_symbol(self, state: State, hint: str, *, exponent: int | None = None, least: int | None = None) -> Float:
        """Any float; a finite one if its exponent is bounded."""
        real = self.real_symbol(hint)
        if exponent is not None:
            return Float(real, exponent=exponent, least=least)
        nan, high, low = (self.truth_symbol(f"{hint}.{what}") for what in ("nan", "high", "low"))
        for one, other in combinations((nan, high, low), 2):
            state.assume(terms.Not(terms.And(one, other)))
        return Float(real, nan, high, low, None, least)

    def fresh_content(self, state: State, kind: ContainerShape, hint: str) -> HeapObject:
        """A container of any content of the shape, and of its length if that is known."""
        length = kind.length
        if length is None:
            length = self.symbol(f"{hint}.len", low=0)
            state.assume(length >= 0)
        if kind.type in TABLES:
            members = tuple((space, self.array_symbol(f"{hint}.has", truths=True)) for space in SPACES)
            return Table(kind.element, kind.value, length, members, kind.default)
        array = self.array_symbol(f"{hint}.at") if kind.element.only("int") else None
        return Seq(kind.element, length, None, array)

    def shape_of(self, state: State, value: Value) -> Shape:
        """What is known of a value once its symbols are forgotten."""
        return v.shape(*self._join_kinds(state, value, set()))

    def _join_kinds(self, state: State, value: Value, inside: set[int]) -> Iterable[KindShape]:
        return v.join(*(Shape((self._kind_of(state, option, inside),)) for option in v.options_of(value))).kinds

    def _shape(self, state: State, value: Value, inside: set[int]) -> Shape:
        return v.shape(*self._join_kinds(state, value, inside))

    def _kind_of(self, state: State, value: Value, inside: set[int]) -> KindShape:
        if isinstance(value, Int):
            return Scalar("int", low=self.low_of(value.term))
        if isinstance(value, Bool):
            return Scalar("bool")
        if isinstance(value, Text):
            return Scalar("str", digits=value.digits)
        if isinstance(value, Float):
            return Scalar("float", value.exponent, value.least)
        if isinstance(value, NoneValue):
            return Scalar("None")
        if isinstance(value, Opaque):
            return Scalar(value.type)
        if isinstance(value, Tup):
            return TupleShape(tuple(self._shape(state, item, inside) for item in value.items))
        if isinstance(value, Ref):
            return self._container_shape(state, value, inside)
        if isinstance(value, Range):
            raise Unsupported("a range that is kept", None)
        if isinstance(value, ExceptionValue):
            return Fixed(value)
        assert isinstance(value, Unbound | Func | Builtin | Module | Method | Partial | ExceptionClass), value
        if isinstance(value, Method | Partial):
            raise Unsupported("a method that is kept", None)
        return Fixed(value)

    def _container_shape(self, state: State, value: Ref, inside: set[int]) -> ContainerShape:
        if value.address in inside:
            raise Unsupported("a container that holds itself", None)
        inside = inside | {value.address}
        held = state.content(value.address)
        if isinstance(held, Table):
            return ContainerShape(value.kind, held.key, held.value, held.size, held.default)
        return ContainerShape(value.kind, self.element_shape(state, held, inside), None, held.length)

    def element_shape(self, state: State, held: Seq, inside: set[int] | None = None) -> Shape:
        """The shape of any element."""
        if held.items is None:
            return held.element
        return v.join(*(self._shape(state, item, inside or set()) for item in held.items))

    def stored_shape(self, state: State, value: Value) -> Shape:
        """The shape of a value that goes into a container, whose objects are then reachable from there too."""
        self.share(state, value)
        found = self.shape_of(state, value)
        if v.holds(found, ("iterator", "group", "dict_")):
            raise Unsupported("an iterator or a view of a dict that is kept", None)
        if v.depth(found) > v.MAX_DEPTH:
            raise Unsupported("containers nested without end", None)
        return found

    def share(self, state: State, value: Value) -> None:
        """Mark every object reachable from a value as one that has other names."""
        for option in v.options_of(value):
            if isinstance(option, Tup):
                for item in option.items:
                    self.share(state, item)
            elif isinstance(option, Ref) and option.address not in state.shared:
                state.shared |= {option.address}
                held = state.content(option.address)
                if isinstance(held, Seq) and held.items is not None:
                    for item in held.items:
                        self.share(state, item)

    # --- the heap

    def allocate(self) -> int:
        self._address += 1
        return self._address

    def new(self, state: State, kind: str, content: HeapObject) -> Ref:
        address = self.allocate()
        state.heap[address] = content
        return Ref(kind, address)

    def new_list(self, state: State, items: Sequence[Value], kind: str = "list") -> Ref:
        return self.new(state, kind, Seq(NEVER, len(items), tuple(items)))

    def sequence(self, state: State, element: Shape, length: Term, kind: str = "list") -> Ref:
        """A new sequence of any elements of a shape."""
        if isinstance(length, int) and length == 0:
            return self.new_list(state, (), kind)
        array = self.array_symbol("at") if element.only("int") else None
        low = next((kind_.low for kind_ in element.kinds if isinstance(kind_, Scalar)), None)
        held = Seq(element, length, None, array if low is None else None)
        return self.new(state, kind, held)

    def empty_table(self, state: State, kind: str, *, default: str | None = None) -> Ref:
        nothing = z3.K(z3.IntSort(self.context), terms.BoolVal(False, self.context))
        members = tuple((space, nothing) for space in SPACES)
        return self.new(state, kind, Table(NEVER, NEVER if kind == "dict" else None, 0, members, default))

    def table(
        self, state: State, kind: str, key: Shape, value: Shape | None, size: Term, *, default: str | None = None
    ) -> Ref:
        """A new dict or set of any content of these shapes."""
        given = ContainerShape(kind, key, value, size, default)
        return self.new(state, kind, self.fresh_content(state, given, kind))

    def any_length(self, state: State, hint: str, *, least: int = 0, most: Term | None = None) -> Any:
        length = self.symbol(hint, low=min(least, 1))
        state.assume(length >= least)
        if most is not None:
            state.assume(length <= most)
        return length

    def put(
        self, state: State, address: int, content: HeapObject, line: int, *, resized: bool, additive: bool = False
    ) -> None:
        """Change an object. One that has other names takes along whatever may be the same object."""
        if address < self.frozen_below:
            raise Unsupported("change of a module-level object or a default argument", line)
        self.written.add(address)
        if isinstance(content, Table) and not additive:
            self.removals += 1
        if address in state.shared and self._module_holds_containers(state):
            raise Unsupported("change of an object that a module-level container may hold", line)
        if address in self.arguments or address in state.shared:
            self.suspect("argument-mutation", line, "an argument may be changed")
        before = state.heap[address]
        state.heap[address] = content
        if address in state.shared:
            if not _fits(before, content):
                self._widen_shapes(state, v.without_bounds)
                content = state.heap[address]
                if not _fits(_plain(before), content):
                    raise Unsupported("a change of the element type of an object that a container holds", line)
            self._forget_aliases(state, address, content, resized)

    def _forget_aliases(self, state: State, address: int, content: HeapObject, resized: bool) -> None:
        for other in state.shared:
            held = state.heap.get(other)
            if other == address or type(held) is not type(content) or held is None or held.origin is not None:
                continue
            self.written.add(other)
            state.heap[other] = self.any_content(state, held, resized)
        if not resized:
            return
        self._widen_shapes(state, v.without_lengths)

    def _module_holds_containers(self, state: State) -> bool:
        """Whether a container of the module has other containers in it."""
        for address, held in state.heap.items():
            if address < self.frozen_below:
                shapes = [self.element_shape(state, held)] if isinstance(held, Seq) else [held.key, held.value or NEVER]
                if any(isinstance(kind, ContainerShape | TupleShape) for each in shapes for kind in each.kinds):
                    return True
        return False

    def _widen_shapes(self, state: State, change: Callable[[Shape], Shape]) -> None:
        """Say less of what containers hold, as something in one of them may have changed."""
        for address, held in list(state.heap.items()):
            if held.origin is not None:
                continue
            if isinstance(held, Seq):
                wider: HeapObject = replace(held, element=change(held.element))
                same = wider.element == held.element  # type: ignore[union-attr]
            else:
                value = None if held.value is None else change(held.value)
                wider = replace(held, key=change(held.key), value=value)
                same = (wider.key, wider.value) == (held.key, held.value)
            if not same:
                state.heap[address] = wider
                self.written.add(address)

    def disturb(self, state: State, addresses: Iterable[int]) -> None:
        """A call that isn't followed may have changed these objects, and any that it could reach by another name."""
        for address in sorted({*addresses, *state.shared} & state.heap.keys()):
            if address >= self.frozen_below and state.heap[address].origin is None:
                state.heap[address] = self.any_content(state, state.heap[address], True)
                self.written.add(address)
        self._widen_shapes(state, v.without_lengths)

    def any_content(self, state: State, held: HeapObject, resized: bool) -> HeapObject:
        """Any content of the same shapes."""
        assert held.origin is None, "a view has no content of its own"
        if isinstance(held, Table):
            kind = ContainerShape("set", held.key, held.value, None if resized else held.size, held.default)
            return self.fresh_content(state, kind, "alias")
        element = self.element_shape(state, held)
        return self.fresh_content(
            state, ContainerShape("list", element, None, None if resized else held.length), "alias"
        )

    # --- keys

    def key_of(self, value: Value) -> tuple[str, Term] | None:
        """The key space and number of a hashable value; None where it has no number."""
        if isinstance(value, Int):
            return "num", value.term
        if isinstance(value, Bool):
            return "num", encoding.whole(value)
        if isinstance(value, Text):
            return "str", value.name
        if isinstance(value, NoneValue):
            return "none", 0
        if isinstance(value, Tup):
            return self._tuple_key(value)
        return None

    def _tuple_key(self, value: Tup) -> tuple[str, Term] | None:
        parts = [self.key_of(item) for item in value.items]
        if not parts or None in parts:
            return None
        spaces = [part[0] for part in parts if part]
        integer = z3.IntSort(self.context)
        space = f"({','.join(spaces)})"
        pack = z3.Function(space, *[integer] * (len(parts) + 1))
        return space, terms.apply(pack, *(self.lift(part[1]) for part in parts if part))

    # --- merging

    def kind_number(self, value: Value) -> int:
        return self._kinds.setdefault(v.option_key(value), len(self._kinds))

    def merge(self, branches: Sequence[tuple[Any, State, Value]]) -> tuple[State, Value]:
        """Several states as one, and the value that each has. A branch's condition may be None: then it is open."""
        if not branches:
            raise Dead
        if len(branches) == 1:
            return branches[0][1], branches[0][2]
        conditions = [condition for condition, _, _ in branches]
        if any(condition is None for condition in conditions):
            selector = self.symbol("way")
            conditions = [selector == at for at in range(len(branches))]
        states = [state for _, state, _ in branches]
        merged = states[-1]
        value = branches[-1][2]
        for condition, (_, state, mine) in reversed(list(zip(conditions, branches, strict=True))[:-1]):
            value = self.merge_values(condition, mine, value)
            merged = self._merge_stores(condition, state, merged)
        base = common_step([state.path for state in states])
        ways = [
            terms.And(condition, *since(state.path, base)) for condition, state in zip(conditions, states, strict=True)
        ]
        merged.path = base
        merged.shared = frozenset().union(*(state.shared for state in states))
        merged.assume(terms.Or(*ways))
        return merged, value

    def _merge_stores(self, condition: Any, left: State, right: State) -> State:
        frames = [self._merge_frames(condition, a, b) for a, b in zip(left.frames, right.frames, strict=True)]
        heap: dict[int, HeapObject] = {}
        for address in left.heap.keys() | right.heap.keys():
            mine, other = left.heap.get(address), right.heap.get(address)
            if mine is None or other is None or mine is other:
                held = mine if mine is not None else other
                assert held is not None
                heap[address] = held
            else:
                heap[address] = self._merge_contents(condition, mine, other, left, right)
        return State(frames, heap, None, left.shared | right.shared, right.handling)

    def _merge_frames(self, condition: Any, left: Frame, right: Frame) -> Frame:
        names = dict.fromkeys([*left.variables, *right.variables])
        variables = {
            name: self.merge_values(condition, left.variables.get(name, UNBOUND), right.variables.get(name, UNBOUND))
            for name in names
        }
        return Frame(right.ident, right.parent, variables, right.locals)

    def merge_values(self, condition: Any, left: Value, right: Value) -> Value:
        """`left if condition else right`."""
        if left is right:
            return left
        if not isinstance(left, Choice) and not isinstance(right, Choice):
            same = self._merge_alike(condition, left, right)
            if same is not None:
                return same
        options = dict(self._options(right))
        for number, option in self._options(left):
            other = options.get(number)
            merged = option if other is None else self._merge_alike(condition, option, other)
            if merged is None:
                raise Unsupported("two values that can't be told apart", None)
            options[number] = merged
        _few(len(options))
        tag = encoding.choice(condition, self._tag(left), self._tag(right))
        return Choice(self.lift(tag), tuple(sorted(options.items(), key=lambda option: option[0])))

    def _options(self, value: Value) -> tuple[tuple[int, Value], ...]:
        return value.options if isinstance(value, Choice) else ((self.kind_number(value), value),)

    def _tag(self, value: Value) -> Term:
        return value.tag if isinstance(value, Choice) else self.kind_number(value)

    def _merge_alike(self, condition: Any, left: Value, right: Value) -> Value | None:
        if left is right:
            return left
        if isinstance(left, Int) and isinstance(right, Int):
            return Int(self.pick(condition, left.term, right.term))
        if isinstance(left, Bool) and isinstance(right, Bool):
            return Bool(self.pick(condition, left.term, right.term))
        if isinstance(left, Text) and isinstance(right, Text):
            literal = left.literal if left.literal == right.literal else None
            name, length = (
                self.pick(condition, a, b) for a, b in ((left.name, right.name), (left.length, right.length))
            )
            return Text(name, length, literal, left.digits and right.digits)
        if isinstance(left, Float) and isinstance(right, Float):
            return self._merge_floats(condition, left, right)
        if isinstance(left, Tup) and isinstance(right, Tup) and len(left.items) == len(right.items):
            return Tup(tuple(self.merge_values(condition, a, b) for a, b in zip(left.items, right.items, strict=True)))
        if isinstance(left, Range) and isinstance(right, Range):
            return Range(
                self.pick(condition, left.start, right.start),
                self.pick(condition, left.stop, right.stop),
                self.pick(condition, left.step, right.step),
            )
        return left if v.option_key(left) == v.option_key(right) and left == right else None

    def _merge_floats(self, condition: Any, left: Float, right: Float) -> Float:
        if v.same_term(left.real, right.real):
            real = left.real
        else:
            real = terms.If(condition, self.lift_real(left.real), self.lift_real(right.real))
        joined = v.join(
            Shape((Scalar("float", left.exponent, left.least),)), Shape((Scalar("float", right.exponent, right.least),))
        ).kinds[0]
        assert isinstance(joined, Scalar)
        nan, high = (self.pick(condition, a, b) for a, b in ((left.nan, right.nan), (left.high, right.high)))
        low = self.pick(condition, left.low, right.low)
        return Float(real, nan, high, low, joined.exponent, joined.least)

    def pick(self, condition: Any, left: Term, right: Term) -> Term:
        if v.same_term(left, right) and type(left) is type(right):
            return left
        return encoding.choice(condition, left, right)

    def _merge_contents(
        self, condition: Any, left: HeapObject, right: HeapObject, left_state: State, right_state: State
    ) -> HeapObject:
        if left.origin is not None:
            return left
        if isinstance(left, Seq) and isinstance(right, Seq):
            if left.items is not None and right.items is not None and len(left.items) == len(right.items):
                pairs = zip(left.items, right.items, strict=True)
                return Seq(NEVER, left.length, tuple(self.merge_values(condition, a, b) for a, b in pairs))
            element = v.join(self.element_shape(left_state, left), self.element_shape(right_state, right))
            for state, held in ((left_state, left), (right_state, right)):
                for item in held.items or ():
                    self.share(state, item)
            one_array = left.array is not None and right.array is not None
            array = terms.If(condition, left.array, right.array) if one_array else None
            return Seq(element, self.pick(condition, left.length, right.length), None, array)
        assert isinstance(left, Table)
        assert isinstance(right, Table)
        others = dict(right.members)
        members = tuple(
            (space, array if array.eq(others[space]) else terms.If(condition, array, others[space]))
            for space, array in left.members
            if space in others
        )
        value = None if left.value is None or right.value is None else v.join(left.value, right.value)
        size = self.pick(condition, left.size, right.size)
        return Table(v.join(left.key, right.key), value, size, members, left.default)

    def cases(self, state: State, given: Sequence[Value], act: Callable[[State, tuple[Value, ...]], Value]) -> Value:
        """Act on each combination of what the values may be, and merge the results into `state`."""
        at = next((at for at, value in enumerate(given) if isinstance(value, Choice)), None)
        if at is None:
            return act(state, tuple(given))
        choice = given[at]
        assert isinstance(choice, Choice)
        self.cover(state, choice)
        branches: list[tuple[Any, State, Value]] = []
        for number, option in choice.options:
            condition = choice.tag == number
            inside = state.copy()
            inside.assume(condition)
            found = self._case(state, condition, inside, (*given[:at], option, *given[at + 1 :]), act)
            if found is not None:
                branches.append((condition, inside, found))
        merged, value = self.merge(branches)
        state.become(merged)
        return value

    def _case(
        self,
        state: State,
        condition: Any,
        inside: State,
        given: Sequence[Value],
        act: Callable[[State, tuple[Value, ...]], Value],
    ) -> Value | None:
        """What one kind of a value gives; None if no run gets there. Whether any does is asked where it matters."""
        suspects = set(self.suspects)
        result: Value | None = None
        with self.keeping_exits() as exits:
            try:
                result = self.cases(inside, given, act)
            except Dead:
                pass
            except Unsupported:
                if self.feasible(state, condition):
                    raise
                return None
        if (exits or len(self.suspects) > len(suspects)) and not self.feasible(state, condition):
            for key in self.suspects.keys() - suspects:
                del self.suspects[key]
            return None
        self.exits += exits
        return result

    def cover(self, state: State, choice: Choice) -> None:
        """Evidence that a choice has no other kinds than those that are looked at."""
        if self.lazy:
            return
        others = terms.And(*(choice.tag != number for number, _ in choice.options))
        self.discharged.append(Discharged(state.path, (others,)))

    # --- the solver

    def feasible(self, state: State, condition: Any) -> bool:
        """Whether some run meets the condition here; what is shown to be impossible is kept as evidence."""
        if isinstance(condition, bool):
            return condition
        answer, _ = self.solver.check(state.path, (condition,), model=False)
        if answer == "unsat":
            self._keep(Discharged(state.path, (condition,)))
            return False
        return True

    def entails(self, state: State, condition: Term) -> bool:
        """Whether the condition holds on every run here."""
        if isinstance(condition, bool):
            return condition
        answer, _ = self.solver.check(state.path, (terms.Not(condition),), model=False)
        if answer == "unsat":
            self._keep(Discharged(state.path, (terms.Not(condition),)))
            return True
        return False

    def _keep(self, shown: Discharged) -> None:
        if not self.lazy:
            self.discharged.append(shown)

    # --- exceptions

    def may_raise(self, state: State, fine: Term, name: str, line: int, *, about_none: bool = False) -> None:
        """An exception leaves here on every run where `fine` doesn't hold; on the others it holds from now on."""
        fine = settled(fine)
        if fine is True:
            return
        if fine is False:
            self.raise_now(state, raised(name, line, about_none=about_none))
        if not self.lazy and self.entails(state, fine):
            return
        leaving = state.copy()
        leaving.assume(terms.Not(fine))
        if terms.operator_of(fine) == z3.Z3_OP_UNINTERPRETED:
            self.hopeless.add((name, line))
        self.exits.append((leaving, raised(name, line, about_none=about_none)))
        state.assume(fine)

    def raise_now(self, state: State, exception: Raised) -> None:
        """An exception leaves here on every run that gets here, if any does."""
        if self.lazy or self.feasible(state, terms.BoolVal(True, self.context)):
            self.exits.append((state.copy(), exception))
        raise Dead

    def type_error(self, state: State, line: int, *operands: Value) -> Any:
        self.oblige("type-error")
        about_none = any(isinstance(operand, NoneValue) for operand in operands)
        self.raise_now(state, raised("TypeError", line, about_none=about_none))

    def attribute_error(self, state: State, line: int, receiver: Value) -> Any:
        self.raise_now(state, raised("AttributeError", line, about_none=isinstance(receiver, NoneValue)))

    def open_truth(self, hint: str) -> Bool:
        """A truth that is left open."""
        return Bool(self.truth_symbol(hint))

    # --- frames

    def push_frame(self, state: State, parent: int, variables: Mapping[str, Value], names: frozenset[str]) -> None:
        self._frames += 1
        state.frames = [*state.frames, Frame(self._frames, parent, dict(variables), names)]


TABLES = frozenset({"dict", "set", "frozenset", "dict_keys"})
INDEXABLE = frozenset({"list", "tuple...", "deque"})


def _few(kinds: int) -> None:
    """What several such values do together is followed for every combination of theirs."""
    if kinds > MAX_KINDS:
        raise Unsupported(f"a value that may be of more than {MAX_KINDS} kinds", None)


def settled(truth: Term) -> Term:
    """A truth, with Z3's constants as Python's."""
    if isinstance(truth, bool):
        return truth
    known = terms.known(truth)
    return truth if known is None else known


def _fits(before: HeapObject, after: HeapObject) -> bool:
    """Whether what containers say of an object stays true when its content changes."""
    if isinstance(before, Seq) and isinstance(after, Seq):
        known = before.items is None and after.items is None
        return known and v.covers(before.element, after.element)
    assert isinstance(before, Table)
    assert isinstance(after, Table)
    fits = before.value is None or after.value is None or v.covers(before.value, after.value)
    return fits and v.covers(before.key, after.key)


def _plain(held: HeapObject) -> HeapObject:
    if isinstance(held, Seq):
        return replace(held, element=v.without_bounds(held.element))
    value = None if held.value is None else v.without_bounds(held.value)
    return replace(held, key=v.without_bounds(held.key), value=value)
