"""What an assignment's left side does with a value: binds names, unpacks, stores items."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from verification.symbolic import dicts, encoding, sequences
from verification.symbolic.machine import Flow, Machine, unsupported_use
from verification.symbolic.state import State
from verification.symbolic.values import (
    DictRef,
    Function,
    ListRef,
    NoneValue,
    Raised,
    Range,
    Str,
    Tuple,
    Unsupported,
    Value,
    is_number,
    raised,
)


def assign(target: ast.expr, value: Value, state: State, run: Machine) -> Iterator[Flow]:
    """`target = value`."""
    if isinstance(target, ast.Name):
        yield state.assigned(target.id, value), None
    elif isinstance(target, ast.Tuple | ast.List):
        yield from _unpack(target, value, state, run)
    elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
        for after, parts in run.evaluate_all((target.value, target.slice), state):
            if isinstance(parts, Raised):
                yield after, parts
            else:
                yield from store_item(parts[0], parts[1], value, after, run, target.lineno)
    else:
        raise Unsupported("an assignment to an attribute, a slice or a starred name", target.lineno)


def store_item(container: Value, index: Value, value: Value, state: State, run: Machine, line: int) -> Iterator[Flow]:
    """`container[index] = value`."""
    if isinstance(container, DictRef):
        for after in dicts.set_key(container, index, value, state, run, line):
            yield after, None
    else:
        yield from sequences.set_item(container, index, value, state, run, line)


def _unpack(target: ast.Tuple | ast.List, value: Value, state: State, run: Machine) -> Iterator[Flow]:
    run.oblige("value-error", "type-error")
    line = target.lineno
    if any(isinstance(part, ast.Starred) for part in target.elts):
        raise Unsupported("a starred name", line)
    if isinstance(value, NoneValue | Function) or is_number(value):
        yield state, run.type_error(line, value)
        return
    if not isinstance(value, ListRef | Tuple | Str | Range):
        raise unsupported_use(value, line, "unpacking a value")
    wanted = len(target.elts)
    size = sequences.length(state, value, line)
    for after, fits in run.fork(state, encoding.compared("==", size, wanted)):
        if not fits:
            yield after, raised("ValueError", line)
            continue
        for last, items in _items(value, wanted, after, run):
            yield from _assign_all(target.elts, items, last, run)


def _items(value: Value, wanted: int, state: State, run: Machine) -> Iterator[tuple[State, tuple[Value, ...]]]:
    """All elements, read before the first name is bound."""
    alive: list[tuple[State, tuple[Value, ...]]] = [(state, ())]
    for at in range(wanted):
        alive = [
            (after, (*row, item))
            for current, row in alive
            for after, item in sequences.element(value, at, current, run)
            if not isinstance(item, Raised)
        ]
    yield from alive


def _assign_all(targets: Sequence[ast.expr], items: Sequence[Value], state: State, run: Machine) -> Iterator[Flow]:
    if not targets:
        yield state, None
        return
    for after, signal in assign(targets[0], items[0], state, run):
        if signal is None:
            yield from _assign_all(targets[1:], items[1:], after, run)
        else:
            yield after, signal
