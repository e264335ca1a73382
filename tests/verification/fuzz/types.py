"""The types that generated programs are annotated with, and the types that annotations mean."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Type:
    """A name and its arguments: ``list`` of one, ``dict`` of two, ``tuple`` of any number, ``|`` of the members."""

    name: str
    arguments: tuple[Type, ...] = ()

    def __str__(self) -> str:
        if self.name == "|":
            return " | ".join(map(str, self.arguments))
        if self.name == "tuple...":
            return f"tuple[{self.arguments[0]}, ...]"
        inside = ", ".join(map(str, self.arguments))
        return f"{self.name}[{inside}]" if inside else self.name

    @property
    def element(self) -> Type:
        """What going through a value of the type yields."""
        return STR if self.name == "str" else self.arguments[0] if self.arguments else INT

    @property
    def hashable(self) -> bool:
        if self.name in ("list", "dict", "set", "deque", "Counter", "defaultdict"):
            return False
        return all(argument.hashable for argument in self.arguments)


INT, BOOL, FLOAT, STR, NONE, ANY = map(Type, ("int", "bool", "float", "str", "None", "Any"))


def list_of(element: Type) -> Type:
    return Type("list", (element,))


def set_of(element: Type) -> Type:
    return Type("set", (element,))


def dict_of(key: Type, value: Type) -> Type:
    return Type("dict", (key, value))


def tuple_of(*parts: Type) -> Type:
    return Type("tuple", parts)


def optional(inner: Type) -> Type:
    return Type("|", (inner, NONE))


INTS, STRS = list_of(INT), list_of(STR)

PARAMETER_TYPES: tuple[tuple[int, Type], ...] = (
    (20, INT),
    (3, BOOL),
    (5, FLOAT),
    (10, STR),
    (20, INTS),
    (5, STRS),
    (3, list_of(FLOAT)),
    (6, list_of(INTS)),
    (2, list_of(STRS)),
    (4, list_of(tuple_of(INT, STR))),
    (3, list_of(tuple_of(INT, INT))),
    (3, list_of(optional(INT))),
    (2, list_of(dict_of(STR, INT))),
    (6, dict_of(STR, INT)),
    (4, dict_of(INT, INT)),
    (3, dict_of(STR, INTS)),
    (2, dict_of(INT, INTS)),
    (2, dict_of(STR, dict_of(STR, INT))),
    (4, set_of(INT)),
    (2, set_of(STR)),
    (3, tuple_of(INT, INT)),
    (2, tuple_of(INT, STR)),
    (1, tuple_of(INTS, INTS)),
    (2, Type("tuple...", (INT,))),
    (6, optional(INT)),
    (3, optional(STR)),
    (3, optional(INTS)),
    (1, optional(dict_of(STR, INT))),
    (2, Type("|", (INT, STR))),
    (2, Type("|", (INT, FLOAT))),
    (1, Type("|", (INT, INTS))),
    (1, dict_of(STR, optional(INT))),
)
"""Weights and types of parameters and results."""


PLAIN_TYPES: tuple[tuple[int, Type], ...] = (
    (5, INT),
    (1, BOOL),
    (2, STR),
    (5, INTS),
    (2, optional(INT)),
    (2, dict_of(STR, INT)),
    (1, FLOAT),
)
"""What the simplest programs have."""


def draw(chance: Random, *, plain: bool = False) -> Type:
    table = PLAIN_TYPES if plain else PARAMETER_TYPES
    return chance.choices([kind for _, kind in table], [weight for weight, _ in table])[0]


def parse(node: ast.expr | None) -> Type | None:
    """The type that an annotation names; None if it is missing or not one of ours."""
    if isinstance(node, ast.Constant):
        return NONE if node.value is None else _parse_text(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([parse(node.left), parse(node.right)])
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        return Type(_NAMES.get(name, name)) if _NAMES.get(name, name) in _KNOWN else None
    if isinstance(node, ast.Subscript):
        return _parse_subscript(node)
    return None


_NAMES = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set"}
_KNOWN = {"int", "bool", "float", "str", "list", "dict", "tuple", "set", "Any", "Optional", "Union"}


def _parse_text(text: object) -> Type | None:
    try:
        return parse(ast.parse(str(text), mode="eval").body)
    except SyntaxError:
        return None


def _parse_subscript(node: ast.Subscript) -> Type | None:
    base = parse(node.value)
    inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base is not None and base.name == "tuple" and len(inside) == 2 and ast.unparse(inside[1]) == "...":
        element = parse(inside[0])
        return None if element is None else Type("tuple...", (element,))
    parts = [parse(part) for part in inside]
    known = tuple(part for part in parts if part is not None)
    if base is None or len(known) < len(parts):
        return None
    if base.name == "Optional":
        return _union([*known, NONE])
    return _union(known) if base.name == "Union" else Type(base.name, known)


def _union(parts: Sequence[Type | None]) -> Type | None:
    flat: dict[Type, None] = {}
    for part in parts:
        if part is None:
            return None
        flat.update(dict.fromkeys(part.arguments if part.name == "|" else (part,)))
    return Type("|", tuple(flat))
