"""Termination of `while`: a number that is at least 0 while the loop goes on, and that every iteration makes smaller.

Where one number isn't enough, sums of two are tried, and pairs in lexicographic order: the first falls, or stays while
the second falls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, permutations
from typing import Any

from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import Bool, Int, Ref, Seq, Term, Text, Value
from verification.nodes import walk
from verification.symbolic import terms

MAX_MEASURES = 24
MAX_PAIRS = 40
MAX_SUMS = 8


@dataclass(frozen=True)
class _Measure:
    """`plus - minus + offset` over the variables of a state; each part a name, or a constant."""

    plus: str | int
    minus: str | int = 0
    offset: int = 0

    def of(self, state: State) -> Term | None:
        plus, minus = _part(self.plus, state), _part(self.minus, state)
        return None if plus is None or minus is None else plus - minus + self.offset


@dataclass(frozen=True)
class _Sum:
    """Of two measures, either of which an iteration may make smaller."""

    first: _Measure
    second: _Measure

    def of(self, state: State) -> Term | None:
        first, second = self.first.of(state), self.second.of(state)
        return None if first is None or second is None else first + second


def _part(part: str | int, state: State) -> Term | None:
    if isinstance(part, int):
        return part
    value: Value | None = state.variables.get(part.removeprefix("len "))
    if part.startswith("len "):
        return _size(value, state)
    if isinstance(value, Int):
        return value.term
    return terms.If(value.term, 1, 0) if isinstance(value, Bool) and not isinstance(value.term, bool) else None


def _size(value: Value | None, state: State) -> Term | None:
    if isinstance(value, Text):
        return value.length
    if isinstance(value, Ref) and value.kind != "iterator":
        held = state.content(value.address)
        return held.length if isinstance(held, Seq) else held.size
    return None


def ends(node: ast.While, head: State, backs: list[State], run: Machine) -> bool:
    """Whether some measure shows that the loop ends. `head` is a state in which an iteration begins."""
    measures = list(islice(_measures(node, head), MAX_MEASURES))
    falling: list[tuple[_Measure, list[bool]]] = []
    for measure in measures:
        at_head = measure.of(head)
        if at_head is None or isinstance(at_head, int):
            continue
        falls = [_falls(measure, at_head, back, run) for back in backs]
        if all(falls):
            return True
        if any(falls):
            falling.append((measure, falls))
    for total in islice(_sums(node, head), MAX_SUMS):
        at_head = total.of(head)
        if at_head is None or isinstance(at_head, int):
            continue
        if all(_falls(total, at_head, back, run) for back in backs):
            return True
    return any(
        _lexicographic(first, second, head, backs, run) for first, second in islice(permutations(falling, 2), MAX_PAIRS)
    )


def _falls(measure: _Measure | _Sum, at_head: Any, back: State, run: Machine) -> bool:
    after = measure.of(back)
    return after is not None and run.entails(back, terms.And(at_head >= 0, run.lift(after) < at_head))


def _lexicographic(
    first: tuple[_Measure, list[bool]],
    second: tuple[_Measure, list[bool]],
    head: State,
    backs: list[State],
    run: Machine,
) -> bool:
    (one, one_falls), (_, two_falls) = first, second
    for back, falls, then in zip(backs, one_falls, two_falls, strict=True):
        if falls:
            continue
        before, after = one.of(head), one.of(back)
        if not then or before is None or after is None or not run.entails(back, run.lift(after) <= before):
            return False
    return True


def _sums(node: ast.While, head: State) -> Iterator[_Sum]:
    """Of what the loop's own test compares, and of the numbers that its body sets."""
    for first, second in combinations(_compared(node.test), 2):
        yield _Sum(first, second)
    names = {inner.id for inner in walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}
    numbers = sorted(name for name in names if isinstance(head.variables.get(name), Int))
    for one, other in combinations(numbers, 2):
        yield _Sum(_Measure(one), _Measure(other))


def _measures(node: ast.While, head: State) -> Iterator[_Measure]:
    """First what the condition compares, then every number and size in scope that the loop changes."""
    yield from _compared(node)
    numbers = [name for name, value in head.variables.items() if isinstance(value, Int)]
    sizes = [f"len {name}" for name, value in head.variables.items() if _size(value, head) is not None]
    used = {inner.id for inner in walk(node) if isinstance(inner, ast.Name)}
    parts_ = [part for part in [*numbers, *sizes] if part.removeprefix("len ") in used]
    for part in parts_:
        yield _Measure(part)
    for one, other in permutations(parts_, 2):
        yield _Measure(one, other)


def _compared(node: ast.AST) -> Iterator[_Measure]:
    for compared in (inner for inner in walk(node) if isinstance(inner, ast.Compare)):
        parts = [compared.left, *compared.comparators]
        for kind, left, right in zip(compared.ops, parts, parts[1:], strict=False):
            a, b = _name(left), _name(right)
            if a is None or b is None:
                continue
            if isinstance(kind, ast.Lt | ast.LtE | ast.NotEq):
                yield _Measure(b, a)
            if isinstance(kind, ast.Gt | ast.GtE | ast.NotEq):
                yield _Measure(a, b)


def _name(node: ast.expr) -> str | int | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" and node.args:
        inner = node.args[0]
        return f"len {inner.id}" if isinstance(inner, ast.Name) else None
    return None
