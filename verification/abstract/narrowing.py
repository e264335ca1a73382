"""Kinds of a variable that a test rules out: `x is not None`, `isinstance(x, int)`, or `x` itself.

The path's condition says the same of the variable's tag. Dropping the kinds lets what is built of the variable, such as
the elements of a list, be of the kinds that are left.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable

from verification.abstract.machine import Machine
from verification.abstract.state import State
from verification.abstract.values import Choice, NoneValue, Value, lineage
from verification.nodes import walk

_TYPES = ("int", "bool", "str", "float", "list", "dict", "tuple", "set")


def narrow(test: ast.expr, holds: bool, state: State, run: Machine) -> None:
    """To be called where the test was found to hold, or not to, before anything else is evaluated."""
    if not _binds(test):
        _narrow(test, holds, state, run)


@functools.lru_cache(maxsize=512)
def _binds(test: ast.expr) -> bool:
    return any(isinstance(node, ast.NamedExpr) for node in walk(test))


def _narrow(test: ast.expr, holds: bool, state: State, run: Machine) -> None:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        _narrow(test.operand, not holds, state, run)
    elif isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) is holds:  # else only one of them is known to be so
            for operand in test.values:
                _narrow(operand, holds, state, run)
    elif isinstance(test, ast.Name) and holds:
        _keep(test.id, state, run, lambda option: not isinstance(option, NoneValue))
    elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name):
        other = test.comparators[0]
        same = isinstance(test.ops[0], ast.Is)
        if isinstance(other, ast.Constant) and other.value is None and (same or isinstance(test.ops[0], ast.IsNot)):
            _keep(test.left.id, state, run, lambda option: isinstance(option, NoneValue) is (same is holds))
    elif isinstance(test, ast.Call):
        _by_type(test, holds, state, run)


def _by_type(test: ast.Call, holds: bool, state: State, run: Machine) -> None:
    if not (isinstance(test.func, ast.Name) and test.func.id == "isinstance" and len(test.args) == 2):
        return
    subject, type_ = test.args
    if not (isinstance(subject, ast.Name) and isinstance(type_, ast.Name) and type_.id in _TYPES) or test.keywords:
        return
    shadowed = any(
        name in frame.variables or name in frame.locals for frame in state.frames for name in ("isinstance", type_.id)
    )
    if not shadowed:
        _keep(subject.id, state, run, lambda option: (type_.id in lineage(option)) is holds)


def _keep(name: str, state: State, run: Machine, fits: Callable[[Value], bool]) -> None:
    value = state.variables.get(name)
    if not isinstance(value, Choice):
        return
    kept = tuple((number, option) for number, option in value.options if fits(option))
    if not kept or len(kept) == len(value.options):
        return
    rest = Choice(value.tag, kept)
    run.cover(state, rest)
    state.variables[name] = rest if len(kept) > 1 else kept[0][1]
