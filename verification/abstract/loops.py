"""Loops: one arbitrary iteration from a state that an invariant describes.

The invariant has two parts. The shapes of the variables that the loop changes are widened until an iteration leaves
them as they are. Linear facts about numbers and lengths come from templates: those that hold at first and that no
iteration breaks are kept (Houdini; Flanagan and Leino 2001, "Houdini, an annotation assistant for ESC/Java").
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from verification.abstract import containers
from verification.abstract.containers import Source
from verification.abstract.machine import Dead, Machine, settled
from verification.abstract.narrowing import narrow
from verification.abstract.ranking import ends
from verification.abstract.state import State
from verification.abstract.sums import ClosedForm, Rehearsal, closed_forms
from verification.abstract.targets import assign
from verification.abstract.values import (
    NONE,
    UNBOUND,
    ContainerShape,
    HeapObject,
    Int,
    Range,
    Ref,
    Seq,
    Shape,
    Table,
    Term,
    Text,
    Value,
    widened,
)
from verification.nodes import children, walk
from verification.symbolic import terms
from verification.symbolic.values import Unsupported

MAX_ROUNDS = 8
MAX_ANCHORS = 10
MAX_QUANTITIES = 8
MAX_CANDIDATES = 120

Block = Callable[[Sequence[ast.stmt], State, Machine], None]


@dataclass
class Iteration:
    """How one arbitrary iteration ended."""

    head: State
    backs: list[State] = field(default_factory=list)
    """States in which the loop begins its next iteration."""

    after: list[State] = field(default_factory=list)
    """States in which it ended because there was no more to do."""

    breaks: list[State] = field(default_factory=list)


@dataclass(frozen=True)
class Loop:
    """What the two kinds of loop have in common."""

    node: ast.For | ast.While
    names: frozenset[str]
    """Variables that an iteration may set."""

    once: Callable[[State, Any], Iteration]
    """One iteration from a head, of the given number."""

    bound: Term | None = None
    """How many iterations there are at most, as long as what is gone through keeps its size."""

    sources: frozenset[int] = frozenset()
    """The objects that are gone through."""


def run_for(
    node: ast.For, state: State, run: Machine, block: Block, sources: Callable[[ast.expr, State, Machine], Source]
) -> None:
    """Go through the elements; the else clause runs where no `break` did."""
    run.oblige("termination")
    source = sources(node.iter, state, run)
    size = source.size(state, run)
    line = node.lineno

    def once(head: State, number: Any) -> Iteration:
        found = Iteration(head)
        now = source.size(head, run)
        leaving = head.copy()
        leaving.assume(terms.Not(run.lift(now) > number))
        found.after.append(leaving)
        inside = head.copy()
        inside.assume(run.lift(now) > number)
        removals = run.removals
        found.backs, found.breaks = _body(node.body, inside, run, block, lambda: _bind(number, inside))
        for back in found.backs:
            _check_size(source, head, back, run, line, removed=run.removals > removals)
        return found

    def _bind(number: Any, inside: State) -> None:
        assign(node.target, source.item(number, inside, run), inside, run)

    if isinstance(size, int) and size <= 0:
        for value in source.values:
            containers.consumed(value, state, run, line)
        block(node.orelse, state, run)
        return
    loop = Loop(node, _assigned((node.target, *node.body)), once, size, _addresses(source, state))
    for value in source.values:
        _keep_open(value, state, run)
    last, grown = _run(loop, state, run)
    addresses = {value.address for value in source.values if isinstance(value, Ref) and value.kind == "list"}
    if any(isinstance(value, Ref) and value.kind == "deque" and value.address in grown for value in source.values):
        raise Unsupported("a deque that changes while it is gone through", line)
    if grown and (source.wrapper == "reversed" or any(_is_lazy(value) for value in source.values)):
        raise Unsupported("a change of size while an iterator is gone through", line)
    if addresses & grown:
        run.suspect("termination", line, "the list may grow while it is gone through")
    _finish(loop, last, state, run, block)
    for value in source.values:
        containers.consumed(value, state, run, line)


def _is_lazy(value: Value) -> bool:
    """Whether what it gives may depend on something that changes meanwhile."""
    return isinstance(value, Ref) and value.kind in containers.LAZY


def _addresses(source: Source, state: State) -> frozenset[int]:
    found: set[int] = set()
    for value in source.values:
        if isinstance(value, Ref):
            origin = state.heap[value.address].origin
            found |= {value.address} if origin is None else {value.address, origin}
    return frozenset(found)


def _keep_open(value: Value, state: State, run: Machine) -> None:
    """Elements known one by one become elements of a shape, so that any of them can be looked at."""
    if isinstance(value, Ref):
        content = state.content(value.address)
        if isinstance(content, Seq) and content.items is not None and len(content.items) > 8:
            state.heap[value.address] = containers.opened(value, state, run)


def _check_size(source: Source, head: State, back: State, run: Machine, line: int, *, removed: bool) -> None:
    """A dict or set must keep its size while it is gone through, and its keys: one removed and put back is noticed."""
    for value in source.values:
        if isinstance(value, Ref) and value.kind in ("dict", "set", *containers.VIEWS):
            run.oblige("other-exception")
            before, after = containers.count(value, head, run), containers.count(value, back, run)
            same: Term = run.truth_symbol("unchanged") if removed else run.lift(before) == run.lift(after)
            try:
                run.may_raise(back, settled(run.room.simplified(same)), "RuntimeError", line)
            except Dead:
                continue


def run_while(
    node: ast.While, state: State, run: Machine, block: Block, condition: Callable[[ast.expr, State, Machine], Term]
) -> None:
    """Run the body while the condition holds."""
    run.oblige("termination")

    def once(head: State, number: Any) -> Iteration:
        found = Iteration(head)
        inside = head.copy()
        try:
            holds = settled(condition(node.test, inside, run))
        except Dead:
            return found
        if holds is not True:
            leaving = inside.copy()
            leaving.assume(terms.Not(run.lift(holds)))
            narrow(node.test, False, leaving, run)
            found.after.append(leaving)
        if holds is False:
            return found
        inside.assume(holds)
        narrow(node.test, True, inside, run)
        found.backs, found.breaks = _body(node.body, inside, run, block, lambda: None)
        return found

    def going_on(back: State) -> State | None:
        """The end of an iteration after which there is another one."""
        inside = back.copy()
        run.lazy += 1
        try:
            with run.keeping_exits():
                holds = settled(condition(node.test, inside, run))
        except Dead:
            return None
        finally:
            run.lazy -= 1
        if holds is False:
            return None
        onward = back.copy()
        onward.path = inside.path
        onward.assume(holds)
        return onward

    loop = Loop(node, _assigned((node.test, *node.body)), once)
    last, _ = _run(loop, state, run)
    onward = [] if run.lazy else [again for back in last.backs if (again := going_on(back)) is not None]
    if onward and not ends(node, last.head, onward, run):
        run.suspect("termination", node.lineno, "no measure was found that every iteration makes smaller")
    _finish(loop, last, state, run, block)


def _body(
    body: Sequence[ast.stmt], inside: State, run: Machine, block: Block, before: Callable[[], None]
) -> tuple[list[State], list[State]]:
    """Run the body once: the states that go on, and those that broke out."""
    outer, run.breaks, run.continues = (run.breaks, run.continues), [], []
    backs: list[State] = []
    try:
        before()
        block(body, inside, run)
        backs.append(inside)
    except Dead:
        pass
    finally:
        breaks, continues = run.breaks, run.continues
        run.breaks, run.continues = outer
    return [*backs, *continues], breaks


def _finish(loop: Loop, last: Iteration, state: State, run: Machine, block: Block) -> None:
    """Where the loop ended: the else clause where it ran out, and the breaks."""
    branches: list[tuple[Any, State, Value]] = []
    if last.after:
        merged, _ = run.merge([(None, after, NONE) for after in last.after])
        try:
            block(loop.node.orelse, merged, run)
            branches.append((None, merged, NONE))
        except Dead:
            pass
    branches += [(None, broken, NONE) for broken in last.breaks]
    merged, _ = run.merge(branches)
    state.become(merged)


@functools.lru_cache(maxsize=512)
def _assigned(nodes: tuple[ast.AST, ...]) -> frozenset[str]:
    """Names that are set in these nodes, comprehensions and nested functions aside."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        if not isinstance(node, ast.Lambda):
            waiting.extend(children(node))
    return frozenset(names)


# --- the invariant


@dataclass
class Changes:
    """What iterations change, as far as known: shapes of variables and contents, and which objects have other names."""

    variables: dict[str, Shape]
    contents: dict[int, ContainerShape]
    shared: frozenset[int]
    rehearsed: Rehearsal | None = None
    """The iteration that left all of them as they were."""

    def same(self, other: Changes) -> bool:
        return (self.variables, self.contents, self.shared) == (other.variables, other.contents, other.shared)


def _run(loop: Loop, state: State, run: Machine) -> tuple[Iteration, set[int]]:
    """The last iteration, from a head that stands for all of them; and the objects whose size may change."""
    changes = _settle(loop, state, run)
    facts: list[_Fact | ClosedForm] = []
    if run.invariants and run.depth < 2 and not run.shaping:
        facts = _invariant(loop, state, changes, run)
    head, number = _head(loop, state, changes, run)
    for fact in facts:
        head.assume(fact.at(head, number, run))
    run.depth += 1
    try:
        last = loop.once(head, number)
    finally:
        run.depth -= 1
    _confirm(loop, last, facts, number, state, run)
    grown = {address for address, content in changes.contents.items() if content.length is None}
    return last, grown


def _settle(loop: Loop, state: State, run: Machine) -> Changes:
    """Widen shapes until an iteration leaves them as they are."""
    before = Changes(
        {name: run.shape_of(state, state.variables.get(name, UNBOUND)) for name in sorted(loop.names)}, {}, state.shared
    )
    for name in loop.names:
        run.share(state, state.variables.get(name, UNBOUND))
    before.shared = state.shared
    with run.rehearsal(shaping=True):
        for _ in range(MAX_ROUNDS):
            mark = run.number()
            head, number = _head(loop, state, before, run)
            with run.watching() as written:
                found = loop.once(head, number)
            after = _grown(before, found.backs, written, state, run)
            if after.same(before):
                before.rehearsed = Rehearsal(head, number, found.backs, mark)
                return before
            before = after
    raise Unsupported("a loop whose types never settle", loop.node.lineno)


def _grown(before: Changes, backs: list[State], written: set[int], state: State, run: Machine) -> Changes:
    variables = dict(before.variables)
    contents = dict(before.contents)
    shared = before.shared
    for address in sorted(written & state.heap.keys()):
        if address not in contents:
            contents[address] = _content_shape(state, address, run)
    shared |= state.shared  # what the lines above found to be held by these objects
    for back in backs:
        for name in variables:
            value = back.variables.get(name, UNBOUND)
            run.share(back, value)
            variables[name] = widened(variables[name], run.shape_of(back, value))
        for address, known in contents.items():
            now = _content_shape(back, address, run)
            wide = widened(Shape((known,)), Shape((now,))).kinds
            contents[address] = wide[0]  # type: ignore[assignment]
            if len(wide) > 1:
                raise Unsupported("an object that changes its kind", None)
        shared |= back.shared & state.heap.keys()
    return Changes(variables, contents, shared)


def _content_shape(state: State, address: int, run: Machine) -> ContainerShape:
    held = state.heap[address]
    if isinstance(held, Table):
        return ContainerShape("dict", held.key, held.value, held.size, held.default)
    for item in held.items or ():
        run.share(state, item)
    return ContainerShape("list", run.element_shape(state, held), None, held.length)


def _head(loop: Loop, state: State, changes: Changes, run: Machine) -> tuple[State, Any]:
    """The state at the start of any iteration, and the number of that iteration."""
    head = state.copy()
    head.shared = changes.shared
    for address, kind in changes.contents.items():
        head.heap[address] = _any_like(head, address, kind, run)
    for name, given in changes.variables.items():
        head.variables[name] = _any_value(head, given, name, run)
    number = run.symbol("iteration", low=0)
    head.assume(number >= 0)
    resized = any(changes.contents[at].length is None for at in loop.sources & changes.contents.keys())
    if loop.bound is not None and not resized:
        head.assume(run.lift(loop.bound) >= number)
    return head, number


def _any_value(state: State, given: Shape, name: str, run: Machine) -> Value:
    return run.fresh(state, given, name) if given.kinds else UNBOUND


def _any_like(state: State, address: int, kind: ContainerShape, run: Machine) -> HeapObject:
    held = state.heap[address]
    if isinstance(held, Table):
        return run.fresh_content(
            state, ContainerShape("dict", kind.element, kind.value, kind.length, kind.default), "d"
        )
    return run.fresh_content(state, ContainerShape("list", kind.element, None, kind.length), "xs")


# --- linear facts


@dataclass(frozen=True)
class _Fact:
    """A candidate: `term(values)` over the quantities of a state."""

    left: _Quantity
    symbol: str
    right: Any
    """An anchor (a term that no iteration changes) or another quantity."""

    per: int = 0
    """How much `right` grows with each iteration."""

    def at(self, state: State, number: Any, run: Machine) -> Any:
        left = self.left.of(state)
        right = self.right.of(state) if isinstance(self.right, _Quantity) else self.right
        if left is None or right is None:
            return terms.BoolVal(True, run.context)
        total = run.lift(right) + self.per * number if self.per else run.lift(right)
        left = run.lift(left)
        return {"<=": left <= total, ">=": left >= total, "==": left == total, "<": left < total}[self.symbol]

    def defined(self, state: State) -> bool:
        right = self.right.of(state) if isinstance(self.right, _Quantity) else self.right
        return self.left.of(state) is not None and right is not None


@dataclass(frozen=True)
class _Quantity:
    """A number that iterations change: a variable, or the size of an object."""

    name: str
    address: int | None = None

    def of(self, state: State) -> Term | None:
        if self.address is not None:
            held = state.heap.get(self.address)
            return None if held is None else held.length if isinstance(held, Seq) else held.size
        value = state.variables.get(self.name)
        if isinstance(value, Int):
            return value.term
        if isinstance(value, Text):
            return value.length
        if isinstance(value, Ref):
            held = state.content(value.address)
            return held.length if isinstance(held, Seq) else held.size
        return None


def _at_end(fact: _Fact | ClosedForm, back: State, number: Any, run: Machine) -> Any:
    """What has to hold at the end of an iteration: false where a side is no number there."""
    return fact.at(back, number, run) if fact.defined(back) else terms.BoolVal(False, run.context)


def _invariant(loop: Loop, state: State, changes: Changes, run: Machine) -> list[_Fact | ClosedForm]:
    """The candidates that hold at first and that no iteration breaks.

    The iteration is executed once, under candidates that can be switched off one by one: dropping some then takes the
    solver alone.
    """
    zero = terms.IntVal(0, run.context)
    wanted = [fact for fact in _candidates(loop, state, changes, run) if fact.defined(state)][:MAX_CANDIDATES]
    facts = _implied(state, [(fact, fact.at(state, zero, run)) for fact in wanted], run)
    if not facts:
        return []
    with run.rehearsal():
        head, number = _head(loop, state, changes, run)
        switches = [run.truth_symbol("fact") for _ in facts]
        for switch, fact in zip(switches, facts, strict=True):
            head.assume(terms.Implies(switch, fact.at(head, number, run)))
        run.depth += 1
        try:
            found = loop.once(head, number)
        finally:
            run.depth -= 1
        next_ones = [[_at_end(fact, back, number + 1, run) for fact in facts] for back in found.backs]
        kept = _kept(found.backs, switches, next_ones, run)
    return [facts[at] for at in sorted(kept)]


def _kept(backs: list[State], switches: list[Any], results: list[list[Any]], run: Machine) -> set[int]:
    """The greatest set of candidates that implies itself after an iteration."""
    kept = set(range(len(switches)))
    stable = False
    while kept and not stable:
        stable = True
        for back, after in zip(backs, results, strict=True):
            left = _broken_by_some_run(back, switches, after, kept, run)
            if left != kept:
                kept, stable = left, False
    return kept


def _broken_by_some_run(back: State, switches: list[Any], after: list[Any], kept: set[int], run: Machine) -> set[int]:
    """What is left when every candidate that some run breaks is dropped."""
    while kept:
        chosen = sorted(kept)
        question = (*(switches[at] for at in chosen), terms.Not(terms.And(*(after[at] for at in chosen))))
        answer, model = run.solver.check(back.path, question)
        if answer == "unsat":
            return kept
        if answer == "unknown":
            return {at for at in chosen if _holds(back, switches, after[at], chosen, run)}
        kept = {at for at in chosen if run.solver.holds(model, after[at]) is True}
    return kept


def _holds(back: State, switches: list[Any], term: Any, chosen: list[int], run: Machine) -> bool:
    return run.solver.check(back.path, (*(switches[at] for at in chosen), terms.Not(term)), model=False)[0] == "unsat"


def _confirm(
    loop: Loop, last: Iteration, facts: list[_Fact | ClosedForm], number: Any, state: State, run: Machine
) -> None:
    """Keep the evidence that the facts are an invariant: they hold at first, and an iteration keeps them."""
    if run.lazy or not facts:
        return
    zero = terms.IntVal(0, run.context)
    fine = run.entails(state, terms.And(*(fact.at(state, zero, run) for fact in facts)))
    for back in last.backs:
        fine = fine and run.entails(back, terms.And(*(_at_end(fact, back, number + 1, run) for fact in facts)))
    if not fine:
        raise Unsupported("an invariant that the solver found and then lost", loop.node.lineno)


def _implied(state: State, facts: list[tuple[_Fact | ClosedForm, Any]], run: Machine) -> list[_Fact | ClosedForm]:
    """Those that hold on every run here: a model that breaks some drops them all at once."""
    shown = [terms.known(run.room.simplified(term)) is True for _, term in facts]
    certain = [fact for (fact, _), one in zip(facts, shown, strict=True) if one]
    left = [both for both, one in zip(facts, shown, strict=True) if not one]
    while left:
        answer, model = run.solver.check(state.path, (terms.Not(terms.And(*(term for _, term in left))),))
        if answer == "unsat":
            break
        if answer == "unknown":
            left = [(fact, term) for fact, term in left if run.entails(state, term)]
            break
        kept = [(fact, term) for fact, term in left if run.solver.holds(model, term) is True]
        if len(kept) == len(left):
            left = [(fact, term) for fact, term in left if run.entails(state, term)]
            break
        left = kept
    return certain + [fact for fact, _ in left]


def _candidates(loop: Loop, state: State, changes: Changes, run: Machine) -> Iterator[_Fact | ClosedForm]:
    if changes.rehearsed is not None:
        yield from closed_forms(changes.rehearsed, state, run)
    quantities = _quantities(loop, state, changes)
    anchors = _anchors(loop, state, changes, run)
    for quantity in quantities:
        first = quantity.of(state)
        for low in (0, 1, -1):
            yield _Fact(quantity, ">=", low)
        if first is not None:
            for symbol in (">=", "<="):
                yield _Fact(quantity, symbol, first)
                yield _Fact(quantity, symbol, first, 1)
            yield _Fact(quantity, ">=", first, -1)
            yield _Fact(quantity, "<=", first, -1)
        for anchor in anchors:
            yield _Fact(quantity, "<=", anchor)
            yield _Fact(quantity, "<", anchor)
            yield _Fact(quantity, ">=", anchor)
            if isinstance(loop.node, ast.For):
                yield _Fact(quantity, "<=", anchor, 1)
                yield _Fact(quantity, ">=", anchor, 1)
        for other in quantities:
            if other is not quantity:
                yield _Fact(quantity, "<=", other)
                yield _Fact(quantity, "<", other)


def _quantities(loop: Loop, state: State, changes: Changes) -> list[_Quantity]:
    used = {node.id for node in walk(loop.node) if isinstance(node, ast.Name)}
    found: list[_Quantity] = []
    for name in sorted(changes.variables):
        value = state.variables.get(name)
        if isinstance(value, Int | Text) or (isinstance(value, Ref) and value.kind != "iterator"):
            found.append(_Quantity(name))
    for address, content in sorted(changes.contents.items()):
        names = [name for name, value in state.variables.items() if isinstance(value, Ref) and value.address == address]
        if content.length is None and any(name in used for name in names):
            found.append(_Quantity(names[0], address))
    return found[:MAX_QUANTITIES]


def _anchors(loop: Loop, state: State, changes: Changes, run: Machine) -> list[Any]:
    """Terms that iterations leave alone and that the loop speaks of: variables, lengths, the bound."""
    used = [node.id for node in walk(loop.node) if isinstance(node, ast.Name)]
    anchors: dict[str, Any] = {}
    for name in dict.fromkeys([*used, *state.variables]):
        value = state.variables.get(name)
        if name in changes.variables or value is None:
            continue
        if isinstance(value, Int):
            anchors[name] = value.term
        elif isinstance(value, Text):
            anchors[name] = value.length
        elif isinstance(value, Ref) and value.address not in changes.contents and value.kind != "iterator":
            held = state.content(value.address)
            anchors[name] = held.length if isinstance(held, Seq) else held.size
        elif isinstance(value, Range):
            continue
    if loop.bound is not None:
        anchors["the bound"] = loop.bound
    unique: list[Any] = []
    for term in anchors.values():
        if not any(_same(term, other) for other in unique):
            unique.append(term)
    constants = {node.value for node in walk(loop.node) if isinstance(node, ast.Constant) and type(node.value) is int}
    unique = unique[:MAX_ANCHORS]
    return [*unique, *(number for number in sorted(constants)[:3] if number not in (0, 1, -1))]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    return bool(a.eq(b))
