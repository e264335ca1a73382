"""Expressions on ints and bools that can neither fork nor raise, as one term.

Merging them keeps `a < b and b < c` one condition instead of three paths. What it doesn't know it leaves (None)
to the general handlers; both use the same encoding of the operators.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from verification.symbolic import encoding
from verification.symbolic.machine import Machine
from verification.symbolic.operators import equal_booleans
from verification.symbolic.state import State
from verification.symbolic.values import (
    NONE,
    Bool,
    Int,
    Items,
    ListRef,
    NoneValue,
    Term,
    Value,
    View,
    is_whole,
)


def straight(node: ast.expr, state: State, run: Machine) -> Value | None:
    """The expression's value, or None if it needs the general handlers."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        return None
    run.tick(state)
    return handler(node, state, run)


def _constant(node: ast.Constant, state: State, run: Machine) -> Value | None:
    if node.value is None:
        return NONE
    if type(node.value) is bool:
        return Bool(node.value)
    return Int(node.value) if type(node.value) is int else None


def _name(node: ast.Name, state: State, run: Machine) -> Value | None:
    value = state.variables.get(node.id)
    run.oblige("unbound-local")
    return value if isinstance(value, Int | Bool | NoneValue) else None


def _unary(node: ast.UnaryOp, state: State, run: Machine) -> Value | None:
    operand = straight(node.operand, state, run)
    if isinstance(node.op, ast.Not):
        return None if operand is None else Bool(encoding.negation(_truth(operand)))
    if operand is None or not is_whole(operand):
        return None
    term = encoding.whole(operand)
    return Int(-term if isinstance(node.op, ast.USub) else term if isinstance(node.op, ast.UAdd) else -term - 1)


def _binary(node: ast.BinOp, state: State, run: Machine) -> Value | None:
    if not isinstance(node.op, ast.Add | ast.Sub):
        return None
    left = straight(node.left, state, run)
    right = straight(node.right, state, run) if left is not None else None
    if left is None or right is None or not (is_whole(left) and is_whole(right)):
        return None
    run.oblige("type-error")
    a, b = encoding.whole(left), encoding.whole(right)
    return Int(a + b if isinstance(node.op, ast.Add) else a - b)


def _compare(node: ast.Compare, state: State, run: Machine) -> Value | None:
    result: Term = True
    left = straight(node.left, state, run)
    for kind, operand in zip(node.ops, node.comparators, strict=True):
        right = straight(operand, state, run) if left is not None else None
        if left is None or right is None:
            return None
        link = _link(type(kind), left, right)
        if link is None:
            return None
        result = encoding.conjunction(result, link)
        left = right
    run.oblige("type-error")
    return Bool(result)


def _link(kind: type[ast.cmpop], left: Value, right: Value) -> Term | None:
    if kind in (ast.Is, ast.IsNot) and (isinstance(left, NoneValue) or isinstance(right, NoneValue)):
        same = isinstance(left, NoneValue) and isinstance(right, NoneValue)
        return same if kind is ast.Is else not same
    if not (is_whole(left) and is_whole(right)) or kind not in _SYMBOLS:
        return None
    symbol = _SYMBOLS[kind]
    if isinstance(left, Bool) and isinstance(right, Bool) and symbol in ("==", "!="):
        same = equal_booleans(left.term, right.term)
        return same if symbol == "==" else encoding.negation(same)
    return encoding.compared(symbol, encoding.whole(left), encoding.whole(right))


_SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def _boolean(node: ast.BoolOp, state: State, run: Machine) -> Value | None:
    """`and` and `or` yield an operand, so they merge only where every operand is a bool."""
    join = encoding.conjunction if isinstance(node.op, ast.And) else encoding.disjunction
    result: Term | None = None
    for operand in node.values:
        value = straight(operand, state, run)
        if not isinstance(value, Bool):
            return None
        result = value.term if result is None else join(result, value.term)
    return Bool(result)


def _conditional(node: ast.IfExp, state: State, run: Machine) -> Value | None:
    parts = [straight(part, state, run) for part in (node.test, node.body, node.orelse)]
    test, yes, no = parts
    if test is None or not isinstance(yes, Int | Bool) or type(yes) is not type(no):
        return None
    return type(yes)(encoding.choice(_truth(test), yes.term, no.term))


def _call(node: ast.Call, state: State, run: Machine) -> Value | None:
    """`len(xs)` of a list that is at hand."""
    if not (isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1 and not node.keywords):
        return None
    shadowed = "len" in state.variables or "len" in run.globals
    if shadowed or not isinstance(node.args[0], ast.Name):
        return None
    value = state.variables.get(node.args[0].id)
    if not isinstance(value, ListRef):
        return None
    run.oblige("type-error")
    held = state.heap[value.address]
    if isinstance(held, Items):
        return Int(len(held.items))
    return Int(held.length) if isinstance(held, View) else None


def _truth(value: Value) -> Term:
    return False if isinstance(value, NoneValue) else encoding.truth(value)


_HANDLERS: dict[type[ast.expr], Callable[..., Value | None]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.Call: _call,
}
