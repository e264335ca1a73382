"""A function's inputs: symbols by annotation, plain boundary values, and Python values out of a model."""

from __future__ import annotations

import ast
import ctypes
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from verification.symbolic.machine import Machine
from verification.symbolic.state import State
from verification.symbolic.values import (
    NONE,
    Bool,
    DictRef,
    Int,
    ListRef,
    Mapping,
    Opaque,
    Str,
    Tuple,
    Unsupported,
    Value,
    View,
)

SCALARS: dict[str, type] = {"int": Int, "bool": Bool, "str": Str}
MAX_VARIANTS = 16
MAX_LENGTH = 200
"""Counterexamples with longer lists are not shown."""


@dataclass(frozen=True)
class Kind:
    """A type as annotated: a name and its arguments."""

    name: str
    arguments: tuple[Kind, ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.arguments))
        return f"{self.name}[{inside}]" if inside else self.name


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: Kind | None
    """None where the annotation is missing or not understood."""

    annotation: str
    line: int
    keyword_only: bool = False


def parameters(node: ast.FunctionDef) -> list[Parameter]:
    """The parameters of the entry, defaults included: a caller may pass anything of the annotated type."""
    found = []
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        text = ast.unparse(argument.annotation) if argument.annotation else ""
        kind = parse(argument.annotation) if argument.annotation else None
        found.append(Parameter(argument.arg, kind, text, argument.lineno, argument in node.args.kwonlyargs))
    return found


_NAMES = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "Sequence": "list", "Iterable": "list"}


def parse(node: ast.expr) -> Kind | None:
    """The kind that an annotation names; None if it isn't understood."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return Kind("None")
        return _parse_text(node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.Attribute):
        return Kind(_NAMES.get(node.attr, node.attr))
    if isinstance(node, ast.Name):
        return Kind(_NAMES.get(node.id, node.id))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([parse(node.left), parse(node.right)])
    if isinstance(node, ast.Subscript):
        return _parse_subscript(node)
    return None


def _parse_text(text: str) -> Kind | None:
    try:
        return parse(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parse_subscript(node: ast.Subscript) -> Kind | None:
    base = parse(node.value)
    inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base is not None and base.name == "tuple" and len(inside) == 2 and _is_ellipsis(inside[1]):
        element = parse(inside[0])
        return None if element is None else Kind("tuple...", (element,))
    arguments = [parse(part) for part in inside]
    if base is None or None in arguments:
        return None
    if base.name == "Optional":
        return _union([*arguments, Kind("None")])
    if base.name == "Union":
        return _union(arguments)
    return Kind(base.name, tuple(argument for argument in arguments if argument is not None))


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _union(kinds: Sequence[Kind | None]) -> Kind | None:
    flat: dict[Kind, None] = {}
    for kind in kinds:
        if kind is None:
            return None
        flat.update(dict.fromkeys(kind.arguments if kind.name == "|" else (kind,)))
    return Kind("|", tuple(flat))


def alternatives(kind: Kind) -> tuple[Kind, ...]:
    return kind.arguments if kind.name == "|" else (kind,)


# --- symbols


def variants(found: Sequence[Parameter]) -> Iterator[tuple[Kind, ...]]:
    """Each choice of one alternative per parameter; the choices together are all inputs."""
    for parameter in found:
        if parameter.kind is None:
            what = f"the annotation {parameter.annotation}" if parameter.annotation else "no annotation"
            raise Unsupported(f"parameter {parameter.name} with {what}", parameter.line)
    choices = list(itertools.product(*(alternatives(p.kind) for p in found if p.kind is not None)))
    if len(choices) > MAX_VARIANTS:
        raise Unsupported("a signature with many unions", found[0].line)
    yield from choices


def symbolic(parameter: Parameter, kind: Kind, state: State, run: Machine) -> tuple[State, Value]:
    """A symbol for any value of the kind, with the conditions on it put on the path."""
    name = f"{parameter.name}"
    if kind.name in SCALARS and not kind.arguments:
        model = SCALARS[kind.name]
        return state, model(run.symbol(model, name))
    if kind.name == "None":
        run.oblige("none-deref")
        return state, NONE
    if kind.name == "float":
        return state, Opaque("float")
    if kind.name == "tuple" and kind.arguments:
        items = []
        for at, inner in enumerate(kind.arguments):
            part = Parameter(f"{name}.{at}", inner, str(inner), parameter.line)
            state, item = symbolic(part, inner, state, run)
            items.append(item)
        return state, Tuple(tuple(items))
    if kind.name == "list" and len(kind.arguments) == 1 and kind.arguments[0].name in SCALARS:
        return _symbolic_list(name, SCALARS[kind.arguments[0].name], state, run)
    if kind.name == "dict" and len(kind.arguments) == 2:
        return _symbolic_dict(parameter, kind, state, run)
    raise Unsupported(f"parameter {parameter.name} of type {kind}", parameter.line)


def _symbolic_list(name: str, element: Any, state: State, run: Machine) -> tuple[State, Value]:
    length = run.symbol(Int, f"{name}.len")
    address = run.allocate()
    view = View(run.array(f"{name}.at", Int, element), 0, length, element)
    return run.fact(state, length >= 0).stored(address, view), ListRef(address)


def _symbolic_dict(parameter: Parameter, kind: Kind, state: State, run: Machine) -> tuple[State, Value]:
    key, value = (SCALARS.get(argument.name) for argument in kind.arguments)
    if key not in (Int, Str) or value is None:
        raise Unsupported(f"parameter {parameter.name} of type {kind}", parameter.line)
    address = run.allocate()
    present = run.array(f"{parameter.name}.has", key, Bool)
    held = Mapping(present, run.array(f"{parameter.name}.at", key, value), key, value)
    return state.stored(address, held), DictRef(address)


def smallness(found: Sequence[Parameter], kinds: Sequence[Kind], bound: int, run: Machine) -> list[Any]:
    """Conditions that keep a counterexample readable."""
    conditions: list[Any] = []
    for parameter, kind in zip(found, kinds, strict=True):
        if kind.name == "int":
            term = run.symbol(Int, parameter.name)
            conditions += [term <= bound, term >= -bound]
        elif kind.name == "str":
            conditions.append(z3.Length(run.symbol(Str, parameter.name)) <= bound)
        elif kind.name == "list":
            conditions.append(run.symbol(Int, f"{parameter.name}.len") <= bound)
    return conditions


# --- values out of a model


class NotShown(Exception):
    """The model's input is too large or too particular to be written as a call."""


def from_model(parameter: Parameter, kind: Kind, model: Any, run: Machine) -> object:
    """The Python value that a model gives a parameter."""
    name = parameter.name
    if kind.name in SCALARS:
        return constant(model.eval(run.symbol(SCALARS[kind.name], name), model_completion=True))
    if kind.name == "None":
        return None
    if kind.name == "float":
        return 0.5
    if kind.name == "tuple":
        parts = enumerate(kind.arguments)
        return tuple(
            from_model(Parameter(f"{name}.{at}", part, "", parameter.line), part, model, run) for at, part in parts
        )
    if kind.name == "list":
        return _list_from_model(name, SCALARS[kind.arguments[0].name], model, run)
    return _dict_from_model(name, kind, model, run)


def _list_from_model(name: str, element: type, model: Any, run: Machine) -> list[object]:
    length = model.eval(run.symbol(Int, f"{name}.len"), model_completion=True).as_long()
    if not 0 <= length <= MAX_LENGTH:
        raise NotShown(f"a list of {length} elements")
    array = run.array(f"{name}.at", Int, element)
    items = [model.eval(z3.Select(array, run.lift(at)), model_completion=True) for at in range(length)]
    return [constant(item) for item in items]


def _dict_from_model(name: str, kind: Kind, model: Any, run: Machine) -> dict[object, object]:
    """The entries among the keys that the model mentions; elsewhere the dict is taken to be empty."""
    key, value = (SCALARS[argument.name] for argument in kind.arguments)
    present, values = run.array(f"{name}.has", key, Bool), run.array(f"{name}.at", key, value)
    entries = {}
    for candidate in _mentioned(model.eval(present, model_completion=True), run.sort(key)):
        if z3.is_true(model.eval(z3.Select(present, candidate), model_completion=True)):
            entries[constant(candidate)] = constant(model.eval(z3.Select(values, candidate), model_completion=True))
    return entries


def _mentioned(array: Any, sort: Any) -> Iterator[Any]:
    """The keys written into an array's model, by its chain of stores."""
    while z3.is_app_of(array, z3.Z3_OP_STORE):
        if array.arg(1).sort() == sort:
            yield array.arg(1)
        array = array.arg(0)


def constant(value: Any) -> object:
    """The Python constant of a Z3 value."""
    if z3.is_int_value(value):
        return value.as_long()
    if z3.is_true(value) or z3.is_false(value):
        return z3.is_true(value)
    if z3.is_string_value(value):
        return _text(value)
    raise NotShown("a value that the solver left open")


def _text(value: Any) -> str:
    """A string's code points, read unescaped."""
    context = value.ctx.ref()
    length = z3.Z3_get_string_length(context, value.as_ast())
    if length > MAX_LENGTH:
        raise NotShown(f"a text of {length} characters")
    points = (ctypes.c_uint * length)()
    z3.Z3_get_string_contents(context, value.as_ast(), length, points)
    return "".join(map(chr, points))
