"""Going through a sequence: element by element, with the input-dependent iterations counted against the bound."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from verification.symbolic import dicts, encoding, sequences
from verification.symbolic.machine import Machine, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.values import (
    DictRef,
    Function,
    Int,
    ListRef,
    NoneValue,
    Raised,
    Range,
    Str,
    Term,
    Tuple,
    Unsupported,
    Value,
    is_number,
)

T = TypeVar("T")
WRAPPERS = ("enumerate", "zip", "reversed")


@dataclass(frozen=True)
class Loop:
    """What is gone through: one sequence, or several through `zip`, `enumerate` or `reversed`."""

    parts: tuple[Value, ...]
    line: int
    wrapper: str = ""
    start: Term = 0
    """Where `enumerate` starts to count."""

    changing: DictRef | None = None
    """The dict gone through: its size must not change meanwhile."""


def sources(node: ast.expr, state: State, run: Machine) -> Iterator[tuple[State, Loop | Raised]]:
    """What an expression after `in` goes through; wrappers are only understood there, as they are used up once."""
    if _is_view(node):
        yield from _views(node, state, run)  # type: ignore[arg-type]
        return
    wrapper, arguments = _unwrap(node, state, run)
    for after, values in run.evaluate_all(arguments, state):
        if isinstance(values, Raised):
            yield after, values
            continue
        start: Term = 0
        if wrapper == "enumerate" and len(values) == 2:
            if not isinstance(values[1], Int):
                raise Unsupported("enumerate from a start that is not an int", node.lineno)
            start, values = values[1].term, values[:1]
        parts: list[Value] = []
        wrong, changing = None, None
        for value in values:
            if isinstance(value, NoneValue | Function) or is_number(value):
                wrong = wrong or run.type_error(node.lineno, value)
            elif isinstance(value, DictRef):
                parts.append(Tuple(tuple(key for key, _ in dicts.keys(value, after, node.lineno))))
                changing = value
            elif isinstance(value, ListRef | Tuple | Str | Range):
                parts.append(value)
            else:
                raise unsupported_use(value, node.lineno, "iteration over a value")
        run.oblige("type-error")
        yield after, wrong if wrong is not None else Loop(tuple(parts), node.lineno, wrapper, start, changing)


def _is_view(node: ast.expr) -> bool:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args and not node.keywords
    return named and node.func.attr in ("keys", "values", "items")  # type: ignore[attr-defined]


def _views(node: ast.Call, state: State, run: Machine) -> Iterator[tuple[State, Loop | Raised]]:
    """`d.keys()`, `d.values()`, `d.items()` of a dict whose entries are known."""
    assert isinstance(node.func, ast.Attribute)
    for after, value in run.evaluate(node.func.value, state):
        if isinstance(value, Raised):
            yield after, value
        elif isinstance(value, NoneValue):
            yield after, run.attribute_error(value, node.lineno)
        elif isinstance(value, DictRef):
            pairs = dicts.keys(value, after, node.lineno)
            at = {"keys": lambda p: p[0], "values": lambda p: p[1], "items": Tuple}[node.func.attr]
            yield after, Loop((Tuple(tuple(map(at, pairs))),), node.lineno, changing=value)
        else:
            raise Unsupported("a view of a value that is not a dict", node.lineno)


def _unwrap(node: ast.expr, state: State, run: Machine) -> tuple[str, list[ast.expr]]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRAPPERS):
        return "", [node]
    name = node.func.id
    if name in state.variables or name in state.locals or name in run.globals:
        return "", [node]
    most = {"enumerate": 2, "zip": 8, "reversed": 1}[name]
    if node.keywords or not 1 <= len(node.args) <= most or any(isinstance(arg, ast.Starred) for arg in node.args):
        raise Unsupported(f"these arguments of {name}", node.lineno)
    return name, node.args


def iterate(
    loop: Loop, state: State, run: Machine, body: Callable[[Value, State], Iterator[tuple[State, T | bool]]]
) -> Iterator[tuple[State, T | bool]]:
    """Run `body` on each element. It yields False to go on, anything else to stop; False at the end if none did."""
    sizes = [sequences.length(state, part, loop.line) for part in loop.parts]
    alive: list[tuple[State, int]] = [(state, 0)]
    at = 0
    while alive:
        following: list[tuple[State, int]] = []
        for current, spent in alive:
            run.tick(current)
            before = run.symbolic_forks
            branches = list(run.fork(current, _more(loop, at, current, sizes)))
            cost = run.iteration_cost(undecided=len(branches) > 1, symbolic=run.symbolic_forks > before)
            for after, more in branches:
                if not more:
                    yield after, False
                elif not run.within_bound(spent + cost):
                    run.cut(loop.line)
                else:
                    for last, result in _each(loop, at, after, run, sizes, body):
                        if result is False:
                            following.append((last, spent + cost))
                            run.check_width(len(following))
                        else:
                            yield last, result
        alive = following
        at += 1


def _more(loop: Loop, at: int, state: State, sizes: list[Term]) -> Term:
    """Whether there is an element at that index: looked up anew, as the body may have changed the list."""
    if loop.changing is not None and len(dicts.keys(loop.changing, state, loop.line)) != sizes[0]:
        raise Unsupported("a change of a dict while it is gone through", loop.line)
    more: Term = True
    for part, size in zip(loop.parts, sizes, strict=True):
        live = sequences.length(state, part, loop.line)
        if loop.wrapper == "reversed" and not encoding.same(live, size):
            raise Unsupported("a change of a list while it is gone through in reverse", loop.line)
        more = encoding.conjunction(more, encoding.less(at, live))
    return more


def _each(
    loop: Loop,
    at: int,
    state: State,
    run: Machine,
    sizes: list[Term],
    body: Callable[[Value, State], Iterator[tuple[State, T | bool]]],
) -> Iterator[tuple[State, T | bool]]:
    for after, item in element_at(loop, at, state, run, sizes):
        yield from body(item, after)


def element_at(loop: Loop, at: Term, state: State, run: Machine, sizes: list[Term]) -> Iterator[tuple[State, Value]]:
    """What the loop's target is bound to in the iteration of that index."""
    alive: list[tuple[State, tuple[Value, ...]]] = [(state, ())]
    for part, size in zip(loop.parts, sizes, strict=True):
        offset = size - 1 - at if loop.wrapper == "reversed" else at
        alive = [
            (after, (*row, item))
            for current, row in alive
            for after, item in sequences.element(part, offset, current, run)
            if not isinstance(item, Raised)
        ]
    for after, row in alive:
        if loop.wrapper == "zip":
            yield after, Tuple(row)
        elif loop.wrapper == "enumerate":
            yield after, Tuple((Int(loop.start + at), row[0]))
        else:
            yield after, row[0]
