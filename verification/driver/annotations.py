"""Whether a value is of an annotated type, as far as a look at it can tell."""

from __future__ import annotations

import collections
import enum
import types
import typing
from typing import Any

UNKNOWN: Any = object()
"""An annotation that is missing or says nothing that could be broken."""

DEEPEST = 40
_PROMOTED: dict[Any, tuple[type, ...]] = {
    float: (int, float),
    complex: (int, float, complex),
    bytes: (bytes, bytearray, memoryview),
}
"""What a type checker takes for these; a bool is an int."""

_COLLECTIONS = (list, set, frozenset, tuple, collections.deque, dict)
_COROUTINE = 0x80 | 0x200
"""Flags of code that a call does not run, so that the call returns something else than what is annotated."""


def returned_by(entry: Any, namespace: dict[str, Any]) -> Any:
    """What the function is annotated to return; UNKNOWN where a decorator may have changed it."""
    if type(entry).__name__ == "_lru_cache_wrapper":
        entry = entry.__wrapped__
    if type(entry) is not types.FunctionType or "__wrapped__" in entry.__dict__:
        return UNKNOWN
    if entry.__code__.co_flags & _COROUTINE:
        return UNKNOWN
    try:
        found = entry.__annotations__.get("return", UNKNOWN)
        return eval(found, namespace) if type(found) is str else found  # noqa: S307 - in the sandbox
    except Exception:  # noqa: BLE001 - the annotation's text may raise anything
        return UNKNOWN


def matches(value: Any, annotation: Any, depth: int = 0) -> bool:
    """False only where the value is certainly not of the type; what isn't understood admits everything."""
    if annotation is None or annotation is type(None):
        return value is None
    origin = _origin(annotation)
    arguments = getattr(annotation, "__args__", None)
    if origin is typing.Union or type(annotation) is types.UnionType:
        return any(matches(value, part, depth + 1) for part in annotation.__args__)
    if origin is typing.Literal:
        return any(type(value) is type(part) and value == part for part in annotation.__args__)
    kind = annotation if origin is None else origin
    if not isinstance(kind, type) or depth == DEEPEST:
        return True
    if not _is_instance(value, kind):
        return False
    return arguments is None or type(value) not in _COLLECTIONS or _holds(value, kind, arguments, depth + 1)


def named(annotation: Any) -> str:
    """As a reader would write it."""
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type):
        return annotation.__name__
    return repr(annotation).replace("typing.", "").replace("program.", "")


def _origin(annotation: Any) -> Any:
    return getattr(annotation, "__origin__", None)


def _is_instance(value: Any, kind: type) -> bool:
    if kind is object:
        return True
    if kind in _PROMOTED:
        return isinstance(value, _PROMOTED[kind])
    if kind.__module__ == "collections.abc":
        return isinstance(value, kind)
    if type(kind) in (type, enum.EnumMeta):
        return kind in type(value).__mro__
    return True  # an abstract class or a protocol: classes may count as its own without inheriting


def _holds(value: Any, kind: type, arguments: tuple[Any, ...], depth: int) -> bool:
    """Whether the items are of the types given in brackets."""
    if kind is tuple:
        return _is_tuple_of(value, arguments, depth)
    if type(value) is dict:
        if len(arguments) != 2:
            return len(arguments) != 1 or all(matches(key, arguments[0], depth) for key in value)
        return all(matches(key, arguments[0], depth) and matches(value[key], arguments[1], depth) for key in value)
    return len(arguments) != 1 or all(matches(item, arguments[0], depth) for item in value)


def _is_tuple_of(value: tuple[Any, ...], arguments: tuple[Any, ...], depth: int) -> bool:
    if len(arguments) == 2 and arguments[1] is ...:
        return all(matches(item, arguments[0], depth) for item in value)
    if any(getattr(part, "__unpacked__", False) or _origin(part) is typing.Unpack for part in arguments):
        return True  # of any length
    return len(value) == len(arguments) and all(map(matches, value, arguments, [depth] * len(value)))
