"""Annotations are evaluated when functions are defined, so a strange one is a program of its own.

Plain ones (names of types, generic types with their arguments, unions, text) are known to evaluate to something;
anything else is refused before a proof is attempted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from verification.nodes import all_arguments

_GENERIC = frozenset({"list", "dict", "tuple", "set", "frozenset", "type"})
_PLAIN = frozenset({"int", "bool", "str", "float", "bytes", "complex", "object", "range", *_GENERIC})


def strange_annotation(tree: ast.Module) -> ast.expr | None:
    """The first annotation of the program that isn't known to evaluate without an exception, if there is one."""
    if any(isinstance(node, ast.ImportFrom) and _postpones(node) for node in tree.body):
        return None
    imported = {name for node in tree.body for name in _imported(node)}
    return next((found for found in _annotations(tree) if not _is_plain(found, imported)), None)


def _postpones(node: ast.ImportFrom) -> bool:
    return node.module == "__future__" and any(alias.name == "annotations" for alias in node.names)


def _imported(node: ast.stmt) -> Iterator[str]:
    """Names of `typing` and the like that the module imports."""
    if isinstance(node, ast.ImportFrom) and node.module in ("typing", "collections.abc"):
        yield from (alias.asname or alias.name for alias in node.names)


def _statements(tree: ast.Module) -> list[ast.AST]:
    """All of the program's statements; expressions hold none."""
    found: list[ast.AST] = [tree]
    for node in found:  # which grows meanwhile
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            part = getattr(node, name, None)
            if isinstance(part, list):
                found += part
    return found


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in _statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (each.annotation for each in all_arguments(node) if each.annotation is not None)
            if node.returns is not None:
                yield node.returns
        elif isinstance(node, ast.AnnAssign) and (node in tree.body or not isinstance(node.target, ast.Name)):
            yield node.annotation


def _is_plain(node: ast.expr, imported: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, str)
    if isinstance(node, ast.Name):
        return node.id in _PLAIN or node.id in imported
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "typing"
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right)
        both_none = all(isinstance(side, ast.Constant) for side in sides)
        text = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
        return (
            isinstance(node.op, ast.BitOr) and not both_none and not text and all(_is_plain(x, imported) for x in sides)
        )
    if isinstance(node, ast.Subscript):
        return _is_generic(node.value, imported) and _are_arguments(node.slice, imported)
    return False


def _is_generic(node: ast.expr, imported: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _GENERIC or node.id in imported
    return isinstance(node, ast.Attribute) and _is_plain(node, imported)


def _are_arguments(node: ast.expr, imported: set[str]) -> bool:
    if isinstance(node, ast.Tuple):
        return all(_are_arguments(part, imported) for part in node.elts)
    if isinstance(node, ast.List):  # of Callable
        return all(_is_plain(part, imported) for part in node.elts)
    return (isinstance(node, ast.Constant) and node.value is Ellipsis) or _is_plain(node, imported)
