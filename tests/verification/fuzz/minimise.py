"""Makes a program smaller while it keeps doing what is asked of it (delta debugging over the syntax tree).

Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002; here a unit is a statement, a branch
or an expression instead of a line.
"""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterator

MAX_TRIALS = 600
"""Candidates looked at; each costs a verification and sixty calls."""

Test = Callable[[str], bool]


def minimise(source: str, holds: Test, *, trials: int = MAX_TRIALS) -> str:
    """The smallest program found for which `holds`, which must be true of the source."""
    best = _normal(ast.parse(source))
    if best is None or not holds(best):
        return source
    seen = {best}
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in _smaller(best):
            if candidate in seen:
                continue
            seen.add(candidate)
            if len(seen) > trials:
                return best
            if holds(candidate):
                best, shrunk = candidate, True
                break
    return best


def _normal(tree: ast.Module) -> str | None:
    """The program as text, if it is one."""
    try:
        text = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "program.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, AttributeError, TypeError):
        return None
    return text


def _smaller(source: str) -> Iterator[str]:
    """Every program that is one step smaller, the largest steps first."""
    count = sum(1 for _ in ast.walk(ast.parse(source)))
    for reduction in (_drop_statements, _unwrap, _bare, _drop_parts, _simplify):
        for at in range(count):
            for number in range(8):
                tree = ast.parse(source)
                node = _nth(tree, at)
                if not reduction(node, number):
                    break
                text = _normal(tree)
                if text is not None and len(text) < len(source):
                    yield text


def _nth(tree: ast.Module, at: int) -> ast.AST:
    return next(node for number, node in enumerate(ast.walk(tree)) if number == at)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _lists(node: ast.AST) -> list[list[ast.AST]]:
    return [held for name in _BLOCKS if isinstance(held := getattr(node, name, None), list) and held]


def _drop_statements(node: ast.AST, number: int) -> bool:
    """Leave out the `number`-th statement or clause of the node's blocks."""
    places = [(held, at) for held in _lists(node) for at in range(len(held))]
    if number >= len(places):
        return False
    held, at = places[number]
    if len(held) == 1 and held is getattr(node, "body", None):
        held[at] = ast.Pass()
    else:
        del held[at]
    return True


def _unwrap(node: ast.AST, number: int) -> bool:
    """Put the block of a compound statement in its place."""
    places = [
        (held, at, inner)
        for held in _lists(node)
        for at, child in enumerate(held)
        if not isinstance(child, ast.FunctionDef)
        for inner in _lists(child)
        if all(isinstance(statement, ast.stmt) for statement in inner)
    ]
    if number >= len(places):
        return False
    held, at, inner = places[number]
    held[at : at + 1] = inner
    return True


def _bare(node: ast.AST, number: int) -> bool:
    """Keep the value of an assignment or a return as a statement of its own; leave out what a function returns."""
    if number == 0 and isinstance(node, ast.FunctionDef) and node.returns is not None:
        node.returns = None
        return True
    places = [
        (held, at, child.value)
        for held in _lists(node)
        for at, child in enumerate(held)
        if isinstance(child, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return) and child.value is not None
    ]
    if number >= len(places):
        return False
    held, at, value = places[number]
    held[at] = ast.Expr(value)
    return True


def _drop_parts(node: ast.AST, number: int) -> bool:
    """Leave out an element, an operand, a filter, a parameter with its annotation, or a result's annotation."""
    names = ("elts", "values", "ifs", "generators", "args", "keywords", "targets", "comparators", "patterns", "names")
    places = [(name, at) for name in names for at in range(len(_held(node, name)))]
    if number >= len(places):
        return False
    name, at = places[number]
    del getattr(node, name)[at]
    if isinstance(node, ast.Dict):
        del node.keys[at]
    if isinstance(node, ast.Compare):
        del node.ops[at]
    if isinstance(node, ast.arguments):
        node.defaults = node.defaults[: len(node.args)]
    return True


def _held(node: ast.AST, name: str) -> list[ast.AST]:
    held = getattr(node, name, None)
    return held if isinstance(held, list) else []


_SIMPLE: tuple[int | None, ...] = (0, 1, None, True)


def _simplify(node: ast.AST, number: int) -> bool:
    """Put an operand or a constant in the place of one of the node's expressions."""
    places: list[tuple[str, int | None, ast.expr]] = []
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "target", "targets", "ctx"):
            continue
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.expr):
                places += [(name, at, smaller) for smaller in _parts(child)]
    if number >= len(places):
        return False
    name, at, smaller = places[number]
    if at is None:
        setattr(node, name, smaller)
    else:
        getattr(node, name)[at] = smaller
    return True


def _parts(node: ast.expr) -> list[ast.expr]:
    """What may stand for an expression: its own operands, then constants."""
    if isinstance(node, ast.Constant):
        return []
    inside = [copy.deepcopy(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    constants: list[ast.expr] = [ast.Constant(value) for value in _SIMPLE]
    return [*inside, *constants, ast.List([], ast.Load())]
