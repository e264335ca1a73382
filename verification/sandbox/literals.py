"""The expressions of a test that the parent evaluates itself: literals and what little is built from them.

Tests come with a task, which a person wrote; still, nothing here runs code of theirs or grows without bound.
"""

from __future__ import annotations

import ast
import datetime
import math
import operator
from collections import deque
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

_LARGEST = 100_000
"""Items in a sequence, or bits in a number."""


class NotLiteral(ValueError):
    """The expression needs more than this module does."""


def literal(node: ast.expr, shadowed: Collection[str] = ()) -> Any:
    """The value of an expression; `shadowed` are names that no longer mean what Python or its library means by them."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise NotLiteral(type(node).__name__)
    try:
        return handler(node, shadowed)
    except NotLiteral:
        raise
    except (TypeError, ValueError, ArithmeticError, InvalidOperation, RecursionError) as error:
        raise NotLiteral(f"{type(error).__name__}: {error}") from None


def _constant(node: ast.Constant, _: Collection[str]) -> Any:
    return node.value


def _each(nodes: list[ast.expr], shadowed: Collection[str]) -> list[Any]:
    return [literal(node, shadowed) for node in nodes]


def _dict(node: ast.Dict, shadowed: Collection[str]) -> Any:
    if any(key is None for key in node.keys):
        raise NotLiteral("**")
    keys = [literal(key, shadowed) for key in node.keys if key is not None]
    return dict(zip(keys, _each(node.values, shadowed), strict=True))


def _unary(node: ast.UnaryOp, shadowed: Collection[str]) -> Any:
    return _UNARY[type(node.op)](literal(node.operand, shadowed))


def _binary(node: ast.BinOp, shadowed: Collection[str]) -> Any:
    operation = _BINARY.get(type(node.op))
    if operation is None:
        raise NotLiteral(type(node.op).__name__)
    left, right = literal(node.left, shadowed), literal(node.right, shadowed)
    _refuse_large(node.op, left, right)
    return operation(left, right)


def _refuse_large(kind: ast.operator, left: Any, right: Any) -> None:
    size = 0
    if isinstance(kind, ast.Pow) and isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() * abs(right)
    elif isinstance(kind, ast.Pow) and not isinstance(left, int | float | complex):
        size = _LARGEST + 1
    elif isinstance(kind, ast.Mult) and isinstance(right, int):
        size = _size(left) * right
    elif isinstance(kind, ast.Mult) and isinstance(left, int):
        size = _size(right) * left
    elif isinstance(kind, ast.Mod) and isinstance(left, str | bytes):
        raise NotLiteral("a formatted text")
    elif isinstance(kind, ast.LShift):
        size = right if isinstance(right, int) else 0
    if size > _LARGEST:
        raise NotLiteral("a value too large to compute here")


def _size(value: Any) -> int:
    """Items in a sequence and in what it holds; 0 for a number."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return len(value) + sum(map(_size, value))
    return 0


def _attribute(node: ast.Attribute, shadowed: Collection[str]) -> Any:
    if ast.unparse(node.value) != "math" or "math" in shadowed or node.attr not in _CONSTANTS:
        raise NotLiteral("an attribute")
    return _CONSTANTS[node.attr]


def _call(node: ast.Call, shadowed: Collection[str]) -> Any:
    name = ast.unparse(node.func)
    constructor = _CONSTRUCTORS.get(name)
    if constructor is None or name.partition(".")[0] in shadowed:
        raise NotLiteral(name)
    arguments = _each(node.args, shadowed)
    if any(isinstance(argument, range) and len(argument) > _LARGEST for argument in arguments):
        raise NotLiteral("a value too large to compute here")
    named = {str(keyword.arg): literal(keyword.value, shadowed) for keyword in node.keywords}
    return constructor(*arguments, **named)


def _bounded_bytes(*arguments: Any) -> bytes:
    if any(isinstance(argument, int) for argument in arguments):
        raise NotLiteral("bytes of a length")
    return bytes(*arguments)


_HANDLERS: dict[type[ast.expr], Callable[[Any, Collection[str]], Any]] = {
    ast.Constant: _constant,
    ast.List: lambda node, shadowed: _each(node.elts, shadowed),
    ast.Tuple: lambda node, shadowed: tuple(_each(node.elts, shadowed)),
    ast.Set: lambda node, shadowed: set(_each(node.elts, shadowed)),
    ast.Dict: _dict,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Attribute: _attribute,
    ast.Call: _call,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}
_CONSTANTS: dict[str, Any] = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e, "tau": math.tau}
_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": frozenset,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "range": range,
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "complex": complex,
    "bytes": _bounded_bytes,
    "bytearray": lambda *arguments: bytearray(_bounded_bytes(*arguments)),
    "deque": deque,
    "collections.deque": deque,
    "Decimal": Decimal,
    "decimal.Decimal": Decimal,
    "Fraction": Fraction,
    "fractions.Fraction": Fraction,
    "date": datetime.date,
    "datetime.date": datetime.date,
    "timedelta": datetime.timedelta,
    "datetime.timedelta": datetime.timedelta,
    "datetime.datetime": datetime.datetime,
}
