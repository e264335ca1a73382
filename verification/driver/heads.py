"""The variables of a frame at the head of a loop, written as an expression that makes them anew.

Only where nothing else could matter to how the program goes on from there: every variable is plain, no two of them
share a list, set or dict, and the program's globals are functions that keep nothing, modules and numbers.
"""

from __future__ import annotations

import types
from typing import Any

from verification.driver.loops import MODULES

LONGEST = 2_000
"""Characters."""

DEEPEST = 20
_SCALARS = (bool, int, str, type(None))
_IN_PLACE = (list, set, dict)


class _Unwritable(Exception):
    pass


def written(frame: Any) -> str:
    """Empty where it can't be told."""
    held = dict(frame.f_locals)
    try:
        for value in frame.f_globals.values():
            _check_global(value)
        seen: set[int] = set()
        for value in held.values():
            _check(value, seen, 0)
    except _Unwritable:
        return ""
    try:
        text = repr(held)
    except ValueError:  # an int of more digits than Python writes
        return ""
    return text if len(text) <= LONGEST else ""


def _check(value: Any, seen: set[int], depth: int) -> None:
    kind = type(value)
    if kind in _SCALARS or (kind is float and value - value == 0):
        return
    if kind in _IN_PLACE:
        if id(value) in seen:
            raise _Unwritable
        seen.add(id(value))
    elif kind is not tuple:
        raise _Unwritable
    if depth == DEEPEST or len(value) > LONGEST or (kind is set and not value):
        raise _Unwritable
    for item in value:
        _check(item, seen, depth + 1)
    if kind is dict:
        for item in value.values():
            _check(item, seen, depth + 1)


def _check_global(value: Any) -> None:
    kind = type(value)
    if kind in _SCALARS or kind is float:
        return
    if kind is types.FunctionType:
        kept = (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        if value.__closure__ or not all(type(each) in _SCALARS or type(each) is float for each in kept):
            raise _Unwritable
    elif kind is types.ModuleType:
        if value.__name__ not in MODULES:
            raise _Unwritable
    elif kind is types.BuiltinFunctionType:
        if value.__self__ is not None and type(value.__self__) is not types.ModuleType:
            raise _Unwritable
    elif not (kind is dict and "__build_class__" in value):  # the builtins
        raise _Unwritable
