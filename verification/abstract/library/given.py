"""A call of the library, and what its handlers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verification.abstract import containers, operators
from verification.abstract.calls import callable_shape
from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import (
    NEVER,
    NONE,
    STR,
    Builtin,
    ContainerShape,
    ExceptionClass,
    ExceptionValue,
    NoneValue,
    Opaque,
    Partial,
    Range,
    Ref,
    Shape,
    Term,
    Text,
    Tup,
    TupleShape,
    Value,
    join,
    type_name,
)
from verification.symbolic import encoding
from verification.symbolic.values import Unsupported


@dataclass(frozen=True)
class Given:
    """A call of the library."""

    name: str
    args: tuple[Value, ...]
    keywords: Mapping[str, Value]
    line: int

    def expect(self, least: int, most: int, *keywords: str) -> tuple[Value, ...]:
        """The positional arguments; a call that doesn't fit what is modelled is refused."""
        if not least <= len(self.args) <= most or any(name not in keywords for name in self.keywords):
            raise Unsupported(f"these arguments of {self.name}", self.line)
        return self.args


Handler = Callable[[Given, State, Machine], Value]


def elements(value: Value, state: State, run: Machine, line: int) -> tuple[Shape, Term]:
    """The shape of any element of an iterable, and how many there are. It is used up if it is an iterator."""
    containers.iterable(value, state, run, line)
    containers.share_items(value, state, run)
    found = containers.whole_shape(value, state, run, line), containers.count(value, state, run)
    containers.consumed(value, state, run, line)
    return found


def need_iterables(call: Given) -> None:
    """A function that looks at its arguments only when it is gone through raises nothing where it is called."""
    if not all(isinstance(value, Text | Range | Tup | Ref) for value in call.args):
        raise Unsupported(f"{call.name} of what may not be gone through", call.line)


def need_flag(value: Value, call: Given) -> None:
    """What counts as a truth for an argument differs from version to version, but for numbers."""
    if not operators.is_whole(value):
        raise Unsupported(f"such an argument of {call.name}", call.line)


def wrong(value: Value, state: State, run: Machine, line: int) -> Any:
    """TypeError for a value of a type that is known; others are refused."""
    if isinstance(value, Opaque | Builtin | ExceptionClass | ExceptionValue | Partial):
        raise Unsupported(f"this use of a value of type {type_name(value)}", line)
    return run.type_error(state, line, value)


def need_int(value: Value, state: State, run: Machine, line: int) -> Term:
    if not operators.is_whole(value):
        raise wrong(value, state, run, line)
    return encoding.whole(value)


def apply(function: Value, shapes: Sequence[Shape], state: State, run: Machine, line: int) -> Shape:
    """What a function gives for any elements; nothing where there are none."""
    if any(not each.kinds for each in shapes):
        return NEVER
    return callable_shape(function, shapes, state, run, line)


def need_order(keys: Shape, state: State, run: Machine, line: int) -> None:
    if not operators.orderable(keys, keys):
        about_none = operators.holds_none(keys)
        run.may_raise(state, run.truth_symbol("orderable"), "TypeError", line, about_none=about_none)


def keyed(call: Given, found: Shape, state: State, run: Machine) -> Shape:
    """The shape of what is compared: the key's results, or the elements."""
    key = call.keywords.get("key", NONE)
    return found if isinstance(key, NoneValue) else apply(key, [found], state, run, call.line)


def hashable_shape(found: Shape, state: State, run: Machine, line: int) -> None:
    """TypeError may leave where elements have no hash."""
    if any(kind.key.split(":")[0] in containers.UNHASHABLE for kind in found.kinds):
        run.may_raise(state, run.truth_symbol("hashable"), "TypeError", line)
    for kind in found.kinds:
        if isinstance(kind, TupleShape):
            for item in kind.items:
                hashable_shape(item, state, run, line)
        elif isinstance(kind, ContainerShape) and kind.type == "tuple...":
            hashable_shape(kind.element, state, run, line)


def pairs(found: Shape, run: Machine, line: int) -> tuple[Shape, Shape]:
    """The shapes of keys and values in an iterable of pairs."""
    key, value = NEVER, NEVER
    for kind in found.kinds:
        if not isinstance(kind, TupleShape) or len(kind.items) != 2:
            raise Unsupported("a dict of anything but pairs", line)
        key, value = join(key, kind.items[0]), join(value, kind.items[1])
    return key, value


def iterated(kind: Any, state: State, run: Machine, line: int) -> Shape:
    """The shape of the elements of something of a kind; TypeError may leave if it has none."""
    if isinstance(kind, ContainerShape):
        return kind.element
    if isinstance(kind, TupleShape):
        return join(*kind.items)
    if kind.key == "str":
        return STR
    run.may_raise(state, run.truth_symbol("iterable"), "TypeError", line, about_none=kind.key == "None")
    return NEVER
