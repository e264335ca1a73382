"""What can be seen of a program without running it: how short, idiomatic, careful and risky it is.

The simulated panel's tastes are weights on these. No test sees any of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

_RISKY = {"eval", "exec", "md5", "sha1", "system", "mktemp", "loads_unsafe"}
_IDIOMS = {"all", "any", "enumerate", "factorial", "get", "join", "max", "min", "prod", "sorted", "sum", "zip"}
"""Calls that stand for a loop or a branch."""
_EXPRESSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp, ast.IfExp, ast.JoinedStr)
_LITERALS = (ast.Tuple, ast.List, ast.Set)
_GUARDS = (ast.If, ast.IfExp, ast.Try)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def style(code: str) -> dict[str, float]:
    """The program's traits, each from 0 to 1; SyntaxError or ValueError where it doesn't parse.

    ``short``: one less a fifteenth for each line. ``idiom``: of what could be said by one expression, the share that
    is; 0.5 where there is nothing of the kind. ``guard``: an edge case is seen to, be it by a branch, a conditional
    expression, an exception that is caught, a default or a bound; what a loop filters is none. ``risky``: a call that
    a reviewer would not let pass.
    """
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    said, spelt_out = sum(1 for _ in _said(nodes)), sum(1 for _ in _spelt_out(nodes))
    return {
        "short": max(0.0, 1.0 - len(code.splitlines()) / 15.0),
        "idiom": said / (said + spelt_out) if said + spelt_out else 0.5,
        "guard": float(any(_guards(nodes))),
        "risky": float(any(_name(node) in _RISKY for node in nodes if isinstance(node, ast.Call))),
    }


def _said(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Expressions that say what would take a statement, or a longer expression."""
    for node in nodes:
        if (
            isinstance(node, _EXPRESSIONS)
            or (isinstance(node, ast.Call) and _name(node) in _IDIOMS)
            or (isinstance(node, ast.Compare) and _is_one_of_some(node))
        ):
            yield node


def _spelt_out(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Loops, branches, texts put together piece by piece, the same thing compared again and again, needless names."""
    inner: set[int] = set()
    for node in nodes:  # from the outermost inwards
        if isinstance(node, (*_LOOPS, ast.If)):
            yield node
        elif isinstance(node, ast.BinOp) and _puts_text_together(node):
            if id(node) not in inner:
                yield node
            inner |= {id(node.left), id(node.right)}
        elif isinstance(node, ast.BoolOp) and _repeats_itself(node):
            yield node
    yield from _needless_names(nodes)


def _is_one_of_some(node: ast.Compare) -> bool:
    return isinstance(node.ops[-1], (ast.In, ast.NotIn)) and isinstance(node.comparators[-1], _LITERALS)


def _puts_text_together(node: ast.BinOp) -> bool:
    if not isinstance(node.op, ast.Add):
        return False
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        or (isinstance(side, ast.BinOp) and _puts_text_together(side))
        for side in (node.left, node.right)
    )


def _repeats_itself(node: ast.BoolOp) -> bool:
    compared = [
        ast.dump(value.left)
        for value in node.values
        if isinstance(value, ast.Compare) and isinstance(value.ops[0], (ast.Eq, ast.NotEq))
    ]
    return len(compared) > len(set(compared))


def _needless_names(nodes: Iterable[ast.AST]) -> Iterator[ast.Name]:
    """The first of each name that is given a value only to return it."""
    stored: dict[str, ast.Name] = {}
    returned: set[str] = set()
    used: set[str] = set()
    returns = set()
    for node in nodes:
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
            returned.add(node.value.id)
            returns.add(id(node.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            used.add(node.target.id)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stored.setdefault(node.id, node)
        elif isinstance(node, ast.Name) and id(node) not in returns:
            used.add(node.id)
    yield from (name for key, name in stored.items() if key in returned - used)


def _guards(nodes: Sequence[ast.AST]) -> Iterator[bool]:
    looped = {id(node) for loop in nodes if isinstance(loop, _LOOPS) for node in ast.walk(loop)}
    for node in nodes:
        if isinstance(node, _GUARDS):
            yield not (isinstance(node, ast.If) and id(node) in looped)
        elif isinstance(node, ast.Call):
            yield any(word.arg == "default" for word in node.keywords)
            yield _name(node) == "get" and len(node.args) > 1
            yield _name(node) in {"max", "min"} and len(node.args) > 1 and any(map(_is_constant, node.args))


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
