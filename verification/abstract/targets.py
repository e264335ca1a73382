"""What an assignment's left side does with a value: binds names, unpacks, stores items."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from verification.abstract import containers
from verification.abstract.machine import TABLES, Machine
from verification.abstract.state import State
from verification.abstract.values import NONE, Range, Ref, Text, Tup, Value, options_of, type_name
from verification.symbolic import encoding
from verification.symbolic.values import Unsupported


def assign(target: ast.expr, value: Value, state: State, run: Machine) -> None:
    """`target = value`."""
    if isinstance(target, ast.Name):
        bind(target.id, value, state, target.lineno)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(target, value, state, run)
    elif isinstance(target, ast.Subscript):
        _store(target, value, state, run)
    elif isinstance(target, ast.Starred):
        raise Unsupported("a starred name on its own", target.lineno)
    else:
        raise Unsupported("an assignment to an attribute", target.lineno)


def bind(name: str, value: Value, state: State, line: int) -> None:
    """Set a variable. An iterator is refused: what it goes through might change before it is used."""
    for option in options_of(value):
        if isinstance(option, Ref) and option.kind in ("iterator", *containers.VIEWS):
            raise Unsupported("an iterator or a view of a dict that is kept", line)
    state.variables[name] = value


def _store(target: ast.Subscript, value: Value, state: State, run: Machine) -> None:
    from verification.abstract.expressions import evaluate, slice_bounds

    receiver = evaluate(target.value, state, run)
    line = target.lineno
    if isinstance(target.slice, ast.Slice):
        bounds = slice_bounds(target.slice, state, run)

        def cut(inside: State, given: tuple[Value, ...]) -> Value:
            containers.set_slice(given[0], given[2:], given[1], inside, run, line)
            return NONE

        run.cases(state, [receiver, value, *bounds], cut)
        return
    index = evaluate(target.slice, state, run)
    store_item(receiver, index, value, state, run, line)


def store_item(receiver: Value, index: Value, value: Value, state: State, run: Machine, line: int) -> None:
    """`receiver[index] = value`."""

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        containers.set_item(given[0], given[1], value, inside, run, line)
        return NONE

    run.cases(state, [receiver, index], one)


def _unpack(target: ast.Tuple | ast.List, value: Value, state: State, run: Machine) -> None:
    run.oblige("value-error", "type-error")

    def one(inside: State, given: tuple[Value, ...]) -> Value:
        items = _items(target, given[0], inside, run)
        for part, item in zip(target.elts, items, strict=True):
            assign(part.value if isinstance(part, ast.Starred) else part, item, inside, run)
        return NONE

    run.cases(state, [value], one)


def _items(target: ast.Tuple | ast.List, value: Value, state: State, run: Machine) -> Sequence[Value]:
    line = target.lineno
    containers.iterable(value, state, run, line)
    starred = [at for at, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    size = containers.count(value, state, run)
    wanted = len(target.elts) - len(starred)
    fits = encoding.at_least(size, wanted) if starred else encoding.compared("==", size, wanted)
    run.may_raise(state, fits, "ValueError", line)
    if not starred:
        return [_one(value, at, state, run) for at in range(wanted)]
    return _around(value, starred[0], wanted, size, state, run, line)


def _one(value: Value, at: int, state: State, run: Machine) -> Value:
    if isinstance(value, Ref) and value.kind in TABLES:
        return run.fresh(state, containers.table(state, value).key, "item")
    return containers.element(value, at, state, run)


def _around(
    value: Value, star: int, wanted: int, size: object, state: State, run: Machine, line: int
) -> Sequence[Value]:
    """The elements before, in and after the starred name."""
    after = wanted - star
    known = containers.known_items(value, state)
    if known is not None:
        middle = known[star : len(known) - after]
        return [*known[:star], run.new_list(state, middle), *known[len(known) - after :]]
    if not isinstance(value, Text | Range | Tup | Ref) or (
        isinstance(value, Ref) and value.kind not in ("list", "tuple...")
    ):
        raise Unsupported(f"a starred name for a value of type {type_name(value)}", line)
    elements = containers.whole_shape(value, state, run, line)
    before = [_one(value, at, state, run) for at in range(star)]
    rest = run.sequence(state, elements, size - wanted)  # type: ignore[operator]
    behind = [run.fresh(state, elements, "item") for _ in range(after)]
    return [*before, rest, *behind]
