"""What a variable can hold on one path: scalars over terms, references into the heap, and callables.

A `Term` is either a plain Python constant or a Z3 expression, so that constant arithmetic stays in Python.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Term: TypeAlias = Any
"""``int | bool | str`` or a Z3 expression of the matching sort (Z3 ships no types)."""

DIGITS = "integers that are turned into text, or read from it, have at most 4,300 digits"
PRINTED = "text that is printed can be encoded"
"""Assumptions of both engines."""


@dataclass(frozen=True, slots=True)
class Int:
    term: Term


@dataclass(frozen=True, slots=True)
class Bool:
    term: Term


@dataclass(frozen=True, slots=True)
class Str:
    term: Term


@dataclass(frozen=True, slots=True)
class Float:
    """A float that is known exactly; a float that depends on the input is `Opaque`."""

    value: float


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a known type and unknown content: it may be stored and returned, and nothing may depend on it."""

    kind: str


@dataclass(frozen=True, slots=True)
class NoneValue:
    pass


@dataclass(frozen=True, slots=True)
class Tuple:
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Range:
    start: Term
    stop: Term
    step: int


@dataclass(frozen=True, slots=True)
class ListRef:
    address: int


@dataclass(frozen=True, slots=True)
class DictRef:
    address: int


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    node: ast.FunctionDef
    defaults: tuple[Value, ...] = ()
    keyword_defaults: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Builtin:
    name: str


@dataclass(frozen=True, slots=True)
class Module:
    name: str


@dataclass(frozen=True, slots=True)
class Method:
    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class ExceptionClass:
    name: str
    ancestors: tuple[str, ...]
    """Itself first, then its bases up to BaseException."""


@dataclass(frozen=True, slots=True)
class ExceptionValue:
    cls: ExceptionClass


@dataclass(frozen=True, slots=True)
class Unmodelled:
    """A name that is bound to something outside the model; only its use is refused."""

    construct: str
    line: int


Value: TypeAlias = (
    Int
    | Bool
    | Str
    | Float
    | Opaque
    | NoneValue
    | Tuple
    | Range
    | ListRef
    | DictRef
    | Function
    | Builtin
    | Module
    | Method
    | ExceptionClass
    | ExceptionValue
    | Unmodelled
)

NONE = NoneValue()


@dataclass(frozen=True, slots=True)
class Items:
    """A list of known length."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A list of symbolic length: elements ``array[offset] .. array[offset + length - 1]`` of one scalar type."""

    array: Term
    offset: Term
    length: Term
    element: type[Int] | type[Bool] | type[Str]


@dataclass(frozen=True, slots=True)
class Entries:
    """A dict whose entries are all known, in insertion order."""

    pairs: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A dict from an input: which keys are present, and their values, as total arrays."""

    present: Term
    values: Term
    key: type[Int] | type[Str]
    element: type[Int] | type[Bool] | type[Str]


HeapObject: TypeAlias = Items | View | Entries | Mapping


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception on its way up."""

    cls: ExceptionClass
    line: int
    about_none: bool = field(default=False)
    """Whether None was used as an object."""

    @property
    def name(self) -> str:
        return self.cls.name


class Unsupported(Exception):
    """The program uses Python that is not modelled."""

    def __init__(self, construct: str, line: int | None) -> None:
        super().__init__(construct)
        self.construct = construct
        self.line = line


_NAMES: dict[type, str] = {
    Int: "int",
    Bool: "bool",
    Str: "str",
    Float: "float",
    NoneValue: "NoneType",
    Tuple: "tuple",
    Range: "range",
    ListRef: "list",
    DictRef: "dict",
    Function: "function",
    Builtin: "builtin",
    Module: "module",
    Method: "method",
    ExceptionClass: "type",
}


def type_name(value: Value) -> str:
    """Python's name of the value's type."""
    if isinstance(value, Opaque):
        return value.kind
    if isinstance(value, ExceptionValue):
        return value.cls.name
    return _NAMES.get(type(value), "object")


def is_number(value: Value) -> bool:
    return isinstance(value, Int | Bool | Float) or (isinstance(value, Opaque) and value.kind == "float")


def is_whole(value: Value) -> bool:
    """Whether it is an int or a bool, which is one."""
    return isinstance(value, Int | Bool)


def is_concrete(value: Value) -> bool:
    """Whether it is a scalar that is known exactly."""
    if isinstance(value, Int | Bool | Str):
        return isinstance(value.term, int | bool | str)
    return isinstance(value, Float | NoneValue)


def to_python(value: Value) -> int | bool | str | float | None:
    """The Python constant of a concrete scalar."""
    if isinstance(value, Int | Bool | Str):
        return value.term
    if isinstance(value, Float):
        return value.value
    assert isinstance(value, NoneValue)
    return None


def from_python(constant: object) -> Value | None:
    """The value of a Python scalar; None if it has no model."""
    if constant is None:
        return NONE
    for python, model in ((bool, Bool), (int, Int), (str, Str), (float, Float)):
        if type(constant) is python:
            return model(constant)  # type: ignore[arg-type]
    return None


def builtin_exception(name: str) -> ExceptionClass | None:
    """The builtin exception of that name, if there is one."""
    cls = getattr(builtins, name, None)
    if not (isinstance(cls, type) and issubclass(cls, BaseException)):
        return None
    return ExceptionClass(cls.__name__, tuple(base.__name__ for base in cls.__mro__ if base is not object))


def raised(name: str, line: int, *, about_none: bool = False) -> Raised:
    """A builtin exception raised at a line."""
    cls = builtin_exception(name)
    assert cls is not None, name
    return Raised(cls, line, about_none)
