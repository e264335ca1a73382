"""Variables in which a loop only gathers, such as a count: how it goes on never depends on them."""

from __future__ import annotations

import _ast as ast
import collections
from typing import Any

from verification.driver.syntax import walk

Kinds = frozenset[type] | None
"""The types of a variable with which it is certain that adding to it raises nothing; None where it is overwritten."""

_NUMBERS: frozenset[type] = frozenset((int, float))
_SUMS = _NUMBERS.union((str, tuple, list))
_OPERATORS: dict[type, frozenset[type]] = {ast.Add: _SUMS, ast.Sub: _NUMBERS, ast.Mult: _NUMBERS}
_METHODS: dict[str, frozenset[type]] = {"append": frozenset((list, collections.deque)), "add": frozenset((set,))}
_ITEMS: frozenset[type] = frozenset((dict,))


def gathered(loop: ast.While) -> dict[str, Kinds]:
    """The variables that the loop only overwrites, or only adds to.

    What a `return` reads doesn't count, as the loop has then come to its end; unless there is a `try` to stop it.
    """
    parts = [part for statement in (loop.test, *loop.body) for part in walk(statement)]
    may_go_on = any(isinstance(part, ast.Try | ast.TryStar | ast.FunctionDef) for part in parts)
    returned = set() if may_go_on else _returned(parts)
    added = _added(parts)
    kinds: dict[str, frozenset[type]] = {}
    overwritten: set[str] = set()
    lost: set[str] = set()
    for part in parts:
        if not isinstance(part, ast.Name) or part in returned:
            continue
        if part in added:
            kinds[part.id] = added[part] & kinds.get(part.id, added[part])
        elif isinstance(part.ctx, ast.Store):
            overwritten.add(part.id)
        else:
            lost.add(part.id)
    found: dict[str, Kinds] = {name: types for name, types in kinds.items() if types and name not in overwritten}
    found.update(dict.fromkeys(overwritten.difference(kinds)))
    return {name: types for name, types in found.items() if name not in lost}


def _added(parts: list[ast.AST]) -> dict[ast.Name, frozenset[type]]:
    """The names to whose values something is added where they stand, and the types that this works for."""
    found: dict[ast.Name, frozenset[type]] = {}
    for part in parts:
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            found[part.target] = _OPERATORS.get(type(part.op), frozenset())
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call) and not part.value.keywords:
            method = part.value.func
            if isinstance(method, ast.Attribute) and isinstance(method.value, ast.Name) and method.attr in _METHODS:
                found[method.value] = _METHODS[method.attr]
        elif isinstance(part, ast.Assign):
            for target in part.targets:
                if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                    found[target.value] = _ITEMS
    return found


def _returned(parts: list[ast.AST]) -> set[Any]:
    return {name for part in parts if isinstance(part, ast.Return) for name in walk(part)}
