"""What a variable may hold on all paths at once, and shapes: what is known of any element of a container.

Scalars are terms (a plain Python constant or a Z3 expression). Text is a number that names its content, so that equal
texts are equal numbers, together with its length. A `Choice` is one of several values, by a tag.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from verification.symbolic.values import (
    NONE,
    Bool,
    Builtin,
    ExceptionClass,
    ExceptionValue,
    Int,
    Module,
    NoneValue,
    Term,
)

LARGEST_EXPONENT = 1024
"""A float below 2 to its power in magnitude is any finite one."""


@dataclass(frozen=True, slots=True)
class Float:
    """A float by its place among the reals and the special values; comparisons are exact, arithmetic is not."""

    real: Term
    """Its value where it is finite (a Z3 real, or a Python float)."""

    nan: Term = False
    high: Term = False
    """Whether it is plus infinity."""

    low: Term = False
    """Whether it is minus infinity."""

    exponent: int | None = None
    """If known, the float is finite and below ``2 ** exponent`` in magnitude."""

    least: int | None = None
    """If known, the float is 0 or at least ``2 ** least`` in magnitude."""


@dataclass(frozen=True, slots=True)
class Text:
    """A str: the number of its content, its length, the content itself where it is known."""

    name: Term
    length: Term
    literal: str | None = None
    digits: bool = False
    """Whether it consists of ASCII digits, one at least."""


@dataclass(frozen=True, slots=True)
class Unbound:
    """A variable that isn't set."""


@dataclass(frozen=True, slots=True)
class Tup:
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """An object on the heap: list, tuple (of any length), set, dict, deque, iterator."""

    kind: str
    address: int


@dataclass(frozen=True, slots=True)
class Range:
    start: Term
    stop: Term
    step: Term


@dataclass(frozen=True, slots=True)
class Func:
    """A function of the program, or a lambda; `frame` is the scope that it sees."""

    node: ast.FunctionDef | ast.Lambda
    frame: int
    defaults: tuple[Value, ...] = ()
    keyword_defaults: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """A callable of the library with a setting: `itemgetter(1)`, `partial(f, x)`."""

    name: str
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values; `tag` says which, by the number of its kind."""

    tag: Term
    options: tuple[tuple[int, Value], ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a type that isn't looked into; it may be passed around, printed and compared by identity only."""

    type: str


Value: TypeAlias = (
    Int
    | Bool
    | Float
    | Text
    | NoneValue
    | Unbound
    | Tup
    | Ref
    | Range
    | Func
    | Builtin
    | Module
    | Method
    | Partial
    | ExceptionClass
    | ExceptionValue
    | Choice
    | Opaque
)

UNBOUND = Unbound()


# --- shapes


@dataclass(frozen=True)
class Scalar:
    """int, bool, float, str or None. For a float, its bounds; for a str, whether it consists of digits."""

    type: str
    exponent: int | None = None
    least: int | None = None
    digits: bool = False
    low: int | None = None
    """For an int: a lower bound of 0 or 1, if known."""

    @property
    def key(self) -> str:
        return self.type


@dataclass(frozen=True)
class TupleShape:
    items: tuple[Shape, ...]

    @property
    def key(self) -> str:
        return f"tuple:{len(self.items)}"


@dataclass(frozen=True)
class ContainerShape:
    """list, tuple of any length, set, frozenset, deque, iterator; and dict, whose values have `value`."""

    type: str
    element: Shape
    value: Shape | None = None
    length: Any = None
    """The one length of all of them, where it is known (an int, or a Z3 term of fixed symbols)."""

    default: str | None = None
    """For a defaultdict or Counter: the name of what makes its missing values."""

    @property
    def key(self) -> str:
        return f"{self.type}:{self.default}" if self.default else self.type


@dataclass(frozen=True)
class Fixed:
    """One particular value that is shared freely: a function, a class, a module, an unset variable."""

    value: Value

    @property
    def key(self) -> str:
        return f"fixed:{id(self.value.node) if isinstance(self.value, Func) else self.value!r}"


KindShape: TypeAlias = Scalar | TupleShape | ContainerShape | Fixed


@dataclass(frozen=True)
class Shape:
    """What a value may be: one of these kinds, at most one of each key. None at all: there is no such value."""

    kinds: tuple[KindShape, ...] = ()

    def only(self, key: str) -> bool:
        return len(self.kinds) == 1 and self.kinds[0].key == key


NEVER = Shape()
MAX_DEPTH = 6
"""Nested deeper, shapes that grow are given up."""


def shape(*kinds: KindShape) -> Shape:
    return Shape(tuple(sorted(kinds, key=lambda kind: kind.key)))


def scalar(name: str) -> Shape:
    return Shape((Scalar(name),))


INT, BOOL, STR, FLOAT, NONE_SHAPE = (scalar(name) for name in ("int", "bool", "str", "float", "None"))


def list_of(element: Shape, type_: str = "list") -> Shape:
    return Shape((ContainerShape(type_, element),))


def join(*shapes: Shape) -> Shape:
    """The least shape that covers all of them."""
    found: dict[str, KindShape] = {}
    for each in shapes:
        for kind in each.kinds:
            known = found.get(kind.key)
            found[kind.key] = kind if known is None else _join_kinds(known, kind)
    return shape(*found.values())


def _join_kinds(left: KindShape, right: KindShape) -> KindShape:
    if left == right:
        return left
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return Scalar(
            left.type,
            _both(max, left.exponent, right.exponent),
            _both(min, left.least, right.least),
            left.digits and right.digits,
            _both(min, left.low, right.low),
        )
    if isinstance(left, TupleShape) and isinstance(right, TupleShape):
        return TupleShape(tuple(join(a, b) for a, b in zip(left.items, right.items, strict=True)))
    if isinstance(left, ContainerShape) and isinstance(right, ContainerShape):
        value = None if left.value is None or right.value is None else join(left.value, right.value)
        length = left.length if same_term(left.length, right.length) else None
        return ContainerShape(left.type, join(left.element, right.element), value, length, left.default)
    return left


def _both(choose: Any, a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else choose(a, b)


def same_term(a: Any, b: Any) -> bool:
    """Whether two terms are written alike."""
    if isinstance(a, int | float) or isinstance(b, int | float) or a is None or b is None:
        return type(a) is type(b) and bool(a == b)
    return bool(a.eq(b))


def covers(wide: Shape, narrow: Shape) -> bool:
    return join(wide, narrow) == wide


def widened(before: Shape, after: Shape) -> Shape:
    """The join of two rounds of a loop, with what still grows given up, so that rounds end."""
    return _widen(before, join(before, after))


def _widen(before: Shape, after: Shape) -> Shape:
    known = {kind.key: kind for kind in before.kinds}
    return Shape(tuple(_widen_kind(known.get(kind.key), kind) for kind in after.kinds))


def _widen_kind(before: KindShape | None, after: KindShape) -> KindShape:
    if before is None or before == after:
        return after
    if isinstance(before, Scalar) and isinstance(after, Scalar):
        exponent = after.exponent
        if exponent is not None and exponent != before.exponent:  # finite is what a loop may keep, if no smaller bound
            exponent = LARGEST_EXPONENT if before.exponent is not None and exponent <= LARGEST_EXPONENT else None
        return replace(after, exponent=exponent, least=after.least if after.least == before.least else None)
    if isinstance(before, TupleShape) and isinstance(after, TupleShape):
        return TupleShape(tuple(_widen(a, b) for a, b in zip(before.items, after.items, strict=True)))
    if isinstance(before, ContainerShape) and isinstance(after, ContainerShape):
        value = _widen(before.value, after.value) if before.value and after.value else after.value
        return replace(after, element=_widen(before.element, after.element), value=value)
    return after


def without_lengths(given: Shape) -> Shape:
    """The shape with nothing said of the lengths of what is inside."""
    return mapped(given, lambda kind: replace(kind, length=None) if isinstance(kind, ContainerShape) else kind)


def without_bounds(given: Shape) -> Shape:
    """The shape with types alone: nothing said of the size or sign of numbers, nor of what text consists of."""
    return mapped(given, lambda kind: Scalar(kind.type) if isinstance(kind, Scalar) else kind)


def mapped(given: Shape, change: Callable[[KindShape], KindShape]) -> Shape:
    """The shape with every kind in it changed, those inside first."""
    return Shape(tuple(_mapped(kind, change) for kind in given.kinds))


def _mapped(kind: KindShape, change: Callable[[KindShape], KindShape]) -> KindShape:
    if isinstance(kind, TupleShape):
        return change(TupleShape(tuple(mapped(item, change) for item in kind.items)))
    if isinstance(kind, ContainerShape):
        value = None if kind.value is None else mapped(kind.value, change)
        return change(replace(kind, element=mapped(kind.element, change), value=value))
    return change(kind)


def depth(given: Shape) -> int:
    return max((_kind_depth(kind) for kind in given.kinds), default=0)


def _kind_depth(kind: KindShape) -> int:
    if isinstance(kind, TupleShape):
        return 1 + max(map(depth, kind.items), default=0)
    if isinstance(kind, ContainerShape):
        return 1 + max(depth(kind.element), depth(kind.value) if kind.value else 0)
    return 0


def holds(given: Shape, types: tuple[str, ...]) -> bool:
    """Whether containers whose type starts so are among what a shape allows, at any depth."""
    for kind in given.kinds:
        if isinstance(kind, TupleShape) and any(holds(item, types) for item in kind.items):
            return True
        if isinstance(kind, ContainerShape) and (
            kind.type.startswith(types) or holds(kind.element, types) or (kind.value and holds(kind.value, types))
        ):
            return True
    return False


# --- what the heap holds


@dataclass(frozen=True, slots=True)
class Seq:
    """A list, tuple, deque or iterator: any element has the shape, and there are `length` of them."""

    element: Shape
    length: Term
    items: tuple[Value, ...] | None = None
    """The elements, where each is known."""

    array: Any = None
    """Their values as a Z3 array of ints, where all are ints."""

    members: Any = None
    """Membership by key space (see `keys`), a Z3 array each; set up when it is first asked for."""

    origin: int | None = None
    """For the values or items of a dict: its address. What they are is read from there whenever it is asked for."""

    pairs: bool = False
    """Whether they are its items."""


@dataclass(frozen=True, slots=True)
class Table:
    """A dict or a set: keys of a shape, each present or not; a dict's values have `value`."""

    key: Shape
    value: Shape | None
    size: Term
    members: tuple[tuple[str, Any], ...] = ()
    """Which keys are present, as a Z3 array for each key space."""

    default: str | None = None
    origin: int | None = None
    """For the keys of a dict: its address, as for `Seq`."""


HeapObject: TypeAlias = Seq | Table


def option_key(value: Value) -> str:
    """What tells a choice's options apart; two values of one key can be merged into one."""
    if isinstance(value, Tup):
        return f"tuple:{len(value.items)}"
    if isinstance(value, Ref):
        return f"{value.kind}@{value.address}"
    if isinstance(value, Func):
        return f"function@{id(value.node)}.{value.frame}"
    if isinstance(value, Int | Bool | Float | Text | NoneValue | Unbound):
        return type(value).__name__
    return repr(value)


def options_of(value: Value) -> tuple[Value, ...]:
    return tuple(option for _, option in value.options) if isinstance(value, Choice) else (value,)


def mentions(values: Iterable[Value], kind: type) -> bool:
    return any(isinstance(option, kind) for value in values for option in options_of(value))


def type_name(value: Value) -> str:
    """Python's name of the value's type."""
    if isinstance(value, Tup):
        return "tuple"
    if isinstance(value, Ref):
        return {"tuple...": "tuple"}.get(value.kind, value.kind)
    if isinstance(value, ExceptionValue):
        return value.cls.name
    if isinstance(value, Opaque):
        return value.type
    return _NAMES.get(type(value), "object")


def lineage(value: Value) -> tuple[str, ...]:
    """Names of the value's type and of those above it, as `isinstance` asks for them."""
    if isinstance(value, Bool):
        return "bool", "int"
    return value.cls.ancestors if isinstance(value, ExceptionValue) else (type_name(value),)


_NAMES: dict[type, str] = {
    Int: "int",
    Bool: "bool",
    Text: "str",
    Float: "float",
    NoneValue: "NoneType",
    Range: "range",
    Func: "function",
    Builtin: "builtin_function_or_method",
    Module: "module",
    ExceptionClass: "type",
}

__all__ = ["NONE", "Bool", "Builtin", "ExceptionClass", "ExceptionValue", "Int", "Module", "NoneValue", "Term"]
